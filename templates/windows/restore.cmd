@echo off
rem restore script of a LifeKeeper Generic Application: brings the resource into service.
rem
rem LifeKeeper runs a copy of this script from a directory of its own, so every
rem path here is absolute.
setlocal

rem ---- edit from here ----------------------------------------------------
rem The kit (lanman, ip or volume), and the file with the resource's options,
rem see vol-e.toml, ip-192.0.2.50.toml and srv01.toml beside this script.
set "KIT=volume"
set "RESOURCE=C:\Program Files\fsmon\vol-e.toml"
set "KITRUNNER=C:\Program Files\fsmon\kitrunner.exe"
rem ---- to here -----------------------------------------------------------

if not exist "%KITRUNNER%" goto missing
"%KITRUNNER%" %KIT% restore --resource "%RESOURCE%"
exit /b %ERRORLEVEL%

:missing
echo restore: "%KITRUNNER%" is not there 1>&2
exit /b 1
