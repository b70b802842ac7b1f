// Command hyper is one static program for the whole node: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, kubelet, kube-proxy, kubectl, CoreDNS and two small ones of our own (folders provisioner and
// relay), chosen by argv[0] or argv[1]. Together they share most of their text: a third of the size of apart.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"

	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	sched "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"crdb-chatops.invalid/devcluster/provisioner"
	"crdb-chatops.invalid/devcluster/relay"
)

var commands = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": kcm.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return sched.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubectl":                 nil,
	"etcd":                    nil,
	"coredns":                 nil,
	"local-provisioner":       nil,
	"relay":                   nil,
}

func main() {
	name := filepath.Base(os.Args[0])
	if _, ok := commands[name]; !ok && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = append([]string{name}, os.Args[2:]...)
	}
	build, ok := commands[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: hyper COMMAND ARGS, COMMAND one of:")
		for n := range commands {
			fmt.Fprintln(os.Stderr, "  "+n)
		}
		os.Exit(2)
	}
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "coredns":
		dnsserver.Directives = []string{"root", "bind", "debug", "health", "ready", "errors", "log", "cache", "kubernetes"}
		coremain.Run()
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "local-provisioner":
		provisioner.Main(os.Args[1:])
	case "relay":
		relay.Main(os.Args[1:])
	default:
		os.Exit(cli.Run(build()))
	}
}
