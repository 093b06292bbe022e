// Command kubernetes decodes the objects of the files that are its arguments
// with the Go types of their API, and prints each as one line of JSON. It fails
// on a field that the type does not have, and on one of another type. Its
// modules are those of .ci/tools.mod.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	stream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// types has an empty value for each kind of object.
var types = map[meta.TypeMeta]func() any{
	{APIVersion: "apps/v1", Kind: "Deployment"}:             func() any { return &apps.Deployment{} },
	{APIVersion: "v1", Kind: "ConfigMap"}:                   func() any { return &core.ConfigMap{} },
	{APIVersion: "v1", Kind: "Secret"}:                      func() any { return &core.Secret{} },
	{APIVersion: "v1", Kind: "Service"}:                     func() any { return &core.Service{} },
	{APIVersion: "monitoring.coreos.com/v1", Kind: "Probe"}: func() any { return &monitoring.Probe{} },
}

func main() {
	for _, path := range os.Args[1:] {
		if err := decode(path); err != nil {
			fmt.Fprintf(os.Stderr, "kubernetes: error: %s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

func decode(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for objects := stream.NewYAMLReader(bufio.NewReader(f)); ; {
		text, err := objects.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(text, &kind); err != nil {
			return err
		}
		if types[kind] == nil {
			return fmt.Errorf("%+v is not known", kind)
		}
		object := types[kind]()
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			return fmt.Errorf("%s: %w", kind.Kind, err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(object); err != nil {
			return err
		}
	}
}
