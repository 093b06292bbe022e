@echo off
rem deepCheck script of a LifeKeeper Generic Application: checks the resource thoroughly.
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
"%KITRUNNER%" %KIT% deepCheck --resource "%RESOURCE%"
set "CODE=%ERRORLEVEL%"
if "%CODE%"=="0" exit /b 0
rem 1 is a failure of the resource. 3 is "could not determine", and it alone
rem becomes success: LifeKeeper must not fail over because of an unknown state.
if "%CODE%"=="1" exit /b 1
if "%CODE%"=="3" goto unknown
rem All else means that this script or the resource's file is not set up right. It
rem fails, with an event: or else nobody would see that nothing is checked.
set "WHY=kitrunner ended with exit code %CODE%"
goto broken

:unknown
echo deepCheck: kitrunner could not determine anything, see its event 20001 1>&2
exit /b 0

:missing
set "CODE=1"
set "WHY=%KITRUNNER% is not there"

:broken
echo deepCheck: "%RESOURCE%" was not checked: "%WHY%" 1>&2
"%SystemRoot%\System32\eventcreate.exe" /L APPLICATION /T ERROR /ID 1 /SO "kitrunner script" /D "deepCheck: %RESOURCE% was not checked: %WHY%" >nul 2>&1
exit /b %CODE%
