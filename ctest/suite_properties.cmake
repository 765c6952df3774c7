# written with the suites
