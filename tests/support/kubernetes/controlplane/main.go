// Command controlplane is the control plane that the tests talk to: etcd and kube-apiserver, unchanged, in one
// binary, so that what they share is linked and kept once.
//
//	controlplane etcd      [etcd's own flags]
//	controlplane apiserver [kube-apiserver's own flags]
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	program := ""
	if len(os.Args) > 1 {
		program = os.Args[1]
		os.Args = append(os.Args[:1], os.Args[2:]...)
	}
	switch program {
	case "etcd":
		etcdmain.Main(os.Args)
	case "apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	default:
		fmt.Fprintln(os.Stderr, "usage: controlplane etcd|apiserver [flags]")
		os.Exit(2)
	}
}
