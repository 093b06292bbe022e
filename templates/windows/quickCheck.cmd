@echo off
rem quickCheck script of a LifeKeeper Generic Application: checks the resource.
rem
rem LifeKeeper runs a copy of this script from a directory of its own, so every
rem path here is absolute.
setlocal

rem ---- edit from here ----------------------------------------------------
rem The kit (lanman, ip or volume), and the file with the resource's options,
rem for example tag = "vol-e", volume = "E", peer = "NODEB" on a line each.
set "KIT=volume"
set "RESOURCE=C:\Program Files\fsmon\vol-e.toml"
set "KITRUNNER=C:\Program Files\fsmon\kitrunner.exe"
rem ---- to here -----------------------------------------------------------

if not exist "%KITRUNNER%" goto missing
"%KITRUNNER%" %KIT% quickCheck --resource "%RESOURCE%"
set "CODE=%ERRORLEVEL%"

rem Only 1 is a failure of the resource. All other codes mean "could not
rem determine" (3), or a script or resource that is not set up right. LifeKeeper
rem must not fail over because of an unknown state.
if "%CODE%"=="1" exit /b 1
if not "%CODE%"=="0" echo quickCheck: exit code %CODE% of kitrunner is no failure of the resource 1>&2
exit /b 0

:missing
echo quickCheck: "%KITRUNNER%" is not there, so nothing was checked 1>&2
exit /b 0
