@echo off
rem Checks the resource thoroughly: the deepCheck script of a LifeKeeper Generic Application.
rem
rem LifeKeeper keeps a copy of this script, so it finds nothing by where it lies: every path is whole.
setlocal

rem ---- edit from here ----------------------------------------------------
rem The kit (lanman, ip or volume), and the file with the resource's options,
rem for example tag = "vol-e", volume = "E", peer = "NODEB" on a line each.
set "KIT=volume"
set "RESOURCE=C:\Program Files\fsmon\vol-e.toml"
set "KITRUNNER=C:\Program Files\fsmon\kitrunner.exe"
rem ---- to here -----------------------------------------------------------

if not exist "%KITRUNNER%" goto missing
"%KITRUNNER%" %KIT% deepCheck --resource "%RESOURCE%"
set "CODE=%ERRORLEVEL%"

rem 1 is the only failure. Everything else is "could not determine" (3), or a
rem script or resource that is not set up right: LifeKeeper must not fail over
rem on account of a state that nobody knows.
if "%CODE%"=="1" exit /b 1
if not "%CODE%"=="0" echo deepCheck: exit code %CODE% of kitrunner is no failure of the resource 1>&2
exit /b 0

:missing
echo deepCheck: "%KITRUNNER%" is not there, so nothing was checked 1>&2
exit /b 0
