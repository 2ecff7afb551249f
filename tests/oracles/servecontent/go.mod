module filegateway.dev/tests/oracles/servecontent

go 1.26.0
