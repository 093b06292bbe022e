package winsys

const openNoFollow = 0
