module sluice.io/tests/tools/helm/schemas

go 1.26.0

// Nothing is compiled here: these modules carry the schemas of the objects that
// the charts make.
require (
	github.com/prometheus-operator/prometheus-operator v0.93.1
	k8s.io/autoscaler/vertical-pod-autoscaler v1.8.1
	k8s.io/kubernetes v1.36.3
	sigs.k8s.io/gateway-api v1.5.0
)
