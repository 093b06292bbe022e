package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// prometheus accepts the rules and the jobs that are shipped, in one
// configuration.
func TestScrapeConfigs(t *testing.T) {
	tool(t, "promtool")
	rules, err := filepath.Abs("prometheus/fsmon.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "prometheus.yml")
	write(t, path, "rule_files: ["+rules+"]\n"+read(t, "prometheus/scrape_configs.yml"))
	out, err := exec.Command("promtool", "check", "config", "--lint-fatal", path).CombinedOutput()
	if err != nil {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
}

// object has what the test wants to know of an object of Kubernetes.
type object struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data, StringData map[string]string // of a ConfigMap, of a Secret
	Spec             struct {
		Selector json.RawMessage
		Ports    []struct{ Name, TargetPort string } // of a Service
		Template struct {                            // of a Deployment
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Containers []struct {
					Args         []string
					Env          []struct{ Name, Value string }
					Ports        []struct{ Name string }
					VolumeMounts []struct{ Name, MountPath string }
				}
				Volumes []volume
			}
		}
		Module  string // of a Probe
		Prober  struct{ URL, Path string }
		Targets struct{ StaticConfig struct{ Static []string } }
	}
}

type volume struct {
	Name      string
	ConfigMap struct{ Name string }
	Secret    struct{ SecretName string }
}

// The objects for Kubernetes have only fields that their API has (the Go types
// of the API say so), they belong together, and the exporter accepts the
// configuration that is mounted, credentials included, and would ask the targets
// of the Probe objects.
func TestKubernetes(t *testing.T) {
	decode := exec.Command("go", "run", "-modfile=.ci/tools.mod", "./.ci/kubernetes",
		"templates/kubernetes/exporter.yaml", "templates/kubernetes/probe.yaml")
	decode.Dir = ".."
	var refused bytes.Buffer
	decode.Stderr = &refused
	out, err := decode.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, refused.Bytes())
	}
	objects := map[string]object{}
	var probes []object
	for line := range bytes.Lines(out) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if objects[o.Kind] = o; o.Kind == "Probe" {
			probes = append(probes, o)
		}
	}
	deployment, service := objects["Deployment"].Spec, objects["Service"]
	pod := deployment.Template
	for _, selector := range []struct {
		what string
		got  json.RawMessage
	}{{"Deployment", deployment.Selector}, {"Service", service.Spec.Selector}} {
		labels, err := json.Marshal(pod.Metadata.Labels)
		if err != nil || !bytes.Contains(selector.got, labels) {
			t.Errorf("the %s selects %s, the pod has %s", selector.what, selector.got, labels)
		}
	}
	if len(pod.Spec.Containers) != 1 || len(service.Spec.Ports) != 1 {
		t.Fatalf("%+v", objects)
	}
	container := pod.Spec.Containers[0]
	if container.Ports[0].Name != service.Spec.Ports[0].TargetPort {
		t.Errorf("the Service is for port %q of the pod", service.Spec.Ports[0].TargetPort)
	}

	// The volumes, as the pod has them.
	dir := t.TempDir()
	var places []string
	for _, mount := range container.VolumeMounts {
		i := slices.IndexFunc(pod.Spec.Volumes, func(v volume) bool { return v.Name == mount.Name })
		if i < 0 {
			t.Fatalf("there is no volume %s", mount.Name)
		}
		files := objects["ConfigMap"].Data
		if name := pod.Spec.Volumes[i].Secret.SecretName; name != "" {
			files = objects["Secret"].StringData
		}
		if err := os.MkdirAll(dir+mount.MountPath, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			text = strings.ReplaceAll(text, "/etc/fsmon-credentials", dir+"/etc/fsmon-credentials")
			path := filepath.Join(dir+mount.MountPath, name)
			if err := os.WriteFile(path, []byte(text), 0o440); err != nil {
				t.Fatal(err)
			}
		}
		places = append(places, mount.MountPath)
	}
	slices.Sort(places)
	if want := []string{"/etc/fsmon", "/etc/fsmon-credentials"}; !slices.Equal(places, want) {
		t.Errorf("mounted at %q", places)
	}
	args := slices.Concat(container.Args, []string{"--config.check"})
	for n := range args {
		args[n] = strings.Replace(args[n], "=/etc/", "="+dir+"/etc/", 1)
	}
	check := exec.Command(filepath.Join(build(t), "fsmon_exporter"), args...)
	for _, v := range container.Env {
		check.Env = append(check.Env, v.Name+"="+strings.Replace(v.Value, "/etc/", dir+"/etc/", 1))
	}
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("fsmon_exporter %q: %v: %s", args, err, out)
	}

	if len(probes) != 2 {
		t.Errorf("%d Probe objects", len(probes))
	}
	config := objects["ConfigMap"].Data["exporter.yml"]
	for _, p := range probes {
		want := struct{ URL, Path string }{service.Metadata.Name + ":9974", "/probe"}
		if p.Spec.Prober != want {
			t.Errorf("Probe %s asks %+v, the Service is %+v", p.Metadata.Name, p.Spec.Prober, want)
		}
		if !strings.Contains(config, fmt.Sprintf("\n  %s: {prober", p.Spec.Module)) {
			t.Errorf("Probe %s names the module %s", p.Metadata.Name, p.Spec.Module)
		}
		if len(p.Spec.Targets.StaticConfig.Static) != 1 {
			t.Errorf("Probe %s has targets %q", p.Metadata.Name, p.Spec.Targets.StaticConfig.Static)
		}
	}
}
