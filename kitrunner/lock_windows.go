package kitrunner

const openNoFollow = 0
