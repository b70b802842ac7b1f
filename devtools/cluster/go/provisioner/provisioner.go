// Package provisioner makes PersistentVolumes of type "local" for claims of its StorageClass, and removes
// volume and folder when the claim is gone.
//
// Kubernetes' own host-path provisioner will not do: a pod's fsGroup is applied to local volumes and never to
// host-path ones, so a container that is not root could not write to them.
package provisioner

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	// Written on the claim by the controller-manager and the scheduler.
	wantedProvisioner = "volume.kubernetes.io/storage-provisioner"
	selectedNode      = "volume.kubernetes.io/selected-node"
)

type key struct{ kind, name string } // kind "claim" (namespace/name) or "volume"

type provisioner struct {
	name, folder string
	client       kubernetes.Interface
	claims       corelisters.PersistentVolumeClaimLister
	volumes      corelisters.PersistentVolumeLister
	nodes        corelisters.NodeLister
	classes      storagelisters.StorageClassLister
	events       record.EventRecorder
	queue        workqueue.TypedRateLimitingInterface[key]
}

// Main serves claims until the process is ended.
func Main(arguments []string) {
	flags := flag.NewFlagSet("local-provisioner", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig file")
	folder := flags.String("folder", "", "folder that holds one folder a volume")
	name := flags.String("name", "", "provisioner's name, as StorageClasses give it")
	_ = flags.Parse(arguments)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	if err := run(context.Background(), kubernetes.NewForConfigOrDie(config), *name, *folder); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, client kubernetes.Interface, name, folder string) error {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&corev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	factory := informers.NewSharedInformerFactory(client, time.Minute) // a minute: what failed for good is tried again
	core := factory.Core().V1()
	p := &provisioner{
		name: name, folder: filepath.Clean(folder), client: client,
		claims: core.PersistentVolumeClaims().Lister(), volumes: core.PersistentVolumes().Lister(),
		nodes: core.Nodes().Lister(), classes: factory.Storage().V1().StorageClasses().Lister(),
		events: broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: name}),
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[key]()),
	}
	for kind, informer := range map[string]cache.SharedIndexInformer{
		"claim": core.PersistentVolumeClaims().Informer(), "volume": core.PersistentVolumes().Informer(),
	} {
		add := func(object any) {
			if name, err := cache.MetaNamespaceKeyFunc(object); err == nil {
				p.queue.Add(key{kind, name})
			}
		}
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: add, UpdateFunc: func(_, object any) { add(object) },
		}); err != nil {
			return err
		}
	}
	core.Nodes().Informer()
	factory.Storage().V1().StorageClasses().Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		next, shutdown := p.queue.Get()
		if shutdown {
			return nil
		}
		if err := p.handle(ctx, next); err != nil {
			log.Printf("%s %s: %v", next.kind, next.name, err)
			p.queue.AddRateLimited(next)
		} else {
			p.queue.Forget(next)
		}
		p.queue.Done(next)
	}
}

func (p *provisioner) handle(ctx context.Context, next key) error {
	if next.kind == "volume" {
		volume, err := p.volumes.Get(next.name)
		if err != nil {
			return ignoreMissing(err)
		}
		return p.remove(ctx, volume)
	}
	namespace, name, err := cache.SplitMetaNamespaceKey(next.name)
	if err != nil {
		return err
	}
	claim, err := p.claims.PersistentVolumeClaims(namespace).Get(name)
	if err != nil {
		return ignoreMissing(err)
	}
	if claim.Annotations[wantedProvisioner] != p.name || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	if err := p.provision(ctx, claim); err != nil {
		p.events.Event(claim, v1.EventTypeWarning, "ProvisioningFailed", err.Error())
		return err
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}

func (p *provisioner) provision(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	if claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	name := "pvc-" + string(claim.UID)
	if _, err := p.volumes.Get(name); err == nil {
		return nil // made already; the controller-manager is about to bind it
	}
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode != v1.PersistentVolumeFilesystem {
		return fmt.Errorf("volumeMode %s is not served, only Filesystem", *claim.Spec.VolumeMode)
	}
	hostname, err := p.hostname(claim, class)
	if err != nil || hostname == "" {
		return err
	}
	path := filepath.Join(p.folder, name)
	// Like a new disk: owned by root. The kubelet gives it the pod's fsGroup.
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: p.name}},
		Spec: v1.PersistentVolumeSpec{
			Capacity:         v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			AccessModes:      claim.Spec.AccessModes,
			StorageClassName: class.Name,
			ClaimRef: &v1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name,
				UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeReclaimPolicy: v1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: path}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{
					Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{hostname},
				}},
			}}}},
		},
	}
	if class.ReclaimPolicy != nil {
		volume.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		p.events.Eventf(claim, v1.EventTypeNormal, "ProvisioningSucceeded", "Successfully provisioned volume %s", name)
	}
	return err
}

// hostname is the label of the node that the volume is for, or empty as long as the scheduler has not chosen one.
func (p *provisioner) hostname(claim *v1.PersistentVolumeClaim, class *storagev1.StorageClass) (string, error) {
	chosen := claim.Annotations[selectedNode]
	if chosen == "" {
		if class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer {
			return "", nil
		}
		return os.Hostname() // the node's own name: this process runs in its UTS namespace
	}
	node, err := p.nodes.Get(chosen)
	if err != nil {
		return "", err
	}
	return node.Labels[v1.LabelHostname], nil
}

func (p *provisioner) remove(ctx context.Context, volume *v1.PersistentVolume) error {
	if volume.Annotations[provisionedBy] != p.name || volume.Status.Phase != v1.VolumeReleased ||
		volume.DeletionTimestamp != nil || volume.Spec.PersistentVolumeReclaimPolicy != v1.PersistentVolumeReclaimDelete {
		return nil
	}
	path := filepath.Join(p.folder, volume.Name)
	if volume.Spec.Local == nil || volume.Spec.Local.Path != path {
		return fmt.Errorf("not removed: its path is not %s", path)
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return ignoreMissing(p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}))
}
