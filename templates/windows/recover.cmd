@echo off
rem Local recovery script of a LifeKeeper Generic Application: brings a resource that
rem has failed back into service on the same system.
rem
rem LifeKeeper runs a copy of this script from a directory of its own, so every
rem path here is absolute.
setlocal

rem ---- edit from here ----------------------------------------------------
rem The kit (lanman or ip; volume has no recover), and the file with the resource's options,
rem see vol-e.toml, ip-192.0.2.50.toml and srv01.toml beside this script.
set "KIT=ip"
set "RESOURCE=C:\Program Files\fsmon\ip-192.0.2.50.toml"
set "KITRUNNER=C:\Program Files\fsmon\kitrunner.exe"
rem ---- to here -----------------------------------------------------------

if not exist "%KITRUNNER%" goto missing
"%KITRUNNER%" %KIT% recover --resource "%RESOURCE%"
exit /b %ERRORLEVEL%

:missing
echo recover: "%KITRUNNER%" is not there 1>&2
exit /b 1
