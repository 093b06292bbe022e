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

rem 1 is a failure of the resource. 3 is "could not determine": LifeKeeper must
rem not fail over because of an unknown state. Both have an event of kitrunner's.
rem Every other code means that nothing is watched, which somebody must see.
if "%CODE%"=="0" exit /b 0
if "%CODE%"=="1" exit /b 1
if not "%CODE%"=="3" goto wrong
echo quickCheck: exit code 3 of kitrunner is no failure of the resource 1>&2
exit /b 0

:missing
set "CODE=1"
echo quickCheck: "%KITRUNNER%" is not there 1>&2

:wrong
set "TEXT=quickCheck of %RESOURCE% was not performed (%KITRUNNER%, exit code %CODE%). Run it by hand to see why."
echo %TEXT% 1>&2
"%SystemRoot%\System32\eventcreate.exe" /L APPLICATION /SO kitrunner-script /T ERROR /ID 100 /D "%TEXT%" >nul
exit /b %CODE%
