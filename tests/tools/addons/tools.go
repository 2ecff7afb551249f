//go:build tools

// Package addons pins the versions of the programs beside Kubernetes' own that the local cluster and the
// tests run. Nothing imports it: `testbed tools` builds the commands from this module.
package addons

import _ "helm.sh/helm/v4/cmd/helm"
