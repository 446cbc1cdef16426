// Judges what deploy/ holds with the programs' own code, so that no cluster and no engine is needed:
//
//	judge helm CHART NAMESPACE [VALUES.yaml...]   lints the chart strictly, renders it, and reads each object as the
//	                                              Kubernetes API does, strictly; prints the objects, one a line, as JSON
//	judge compose FILE [PROFILE...]               reads a compose file as Compose does; prints it as JSON
//	judge objects FILE                            reads objects as they are; prints them, one a line, as JSON
//
// A complaint goes to standard error, and the exit code is 1.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// The oldest Kubernetes that the chart is for.
var oldest = &chartutil.KubeVersion{Version: "v1.25.0", Major: "1", Minor: "25"}

func main() {
	err := errors.New("usage: judge helm CHART NAMESPACE [VALUES...] | judge compose FILE [PROFILE...] | judge objects FILE")
	switch arguments := os.Args[1:]; {
	case len(arguments) >= 3 && arguments[0] == "helm":
		err = helm(arguments[1], arguments[2], arguments[3:])
	case len(arguments) >= 2 && arguments[0] == "compose":
		err = compose(arguments[1], arguments[2:])
	case len(arguments) == 2 && arguments[0] == "objects":
		var manifest []byte
		if manifest, err = os.ReadFile(arguments[1]); err == nil {
			err = objects(string(manifest))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func helm(path, namespace string, files []string) error {
	values := chartutil.Values{}
	for _, file := range files {
		more, err := chartutil.ReadValuesFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		values = chartutil.CoalesceTables(more, values)
	}
	linted := lint.AllWithKubeVersion(path, values, namespace, oldest)
	for _, message := range linted.Messages {
		// An icon is wanted by nobody but a catalogue.
		if message.Severity >= support.WarningSev {
			return fmt.Errorf("lint: %v", message)
		}
	}
	chart, err := loader.Load(path)
	if err != nil {
		return err
	}
	install := action.NewInstall(&action.Configuration{})
	install.KubeVersion = oldest
	install.DryRun, install.ClientOnly, install.ReleaseName, install.Namespace = true, true, "test", namespace
	release, err := install.Run(chart, values)
	if err != nil {
		return err
	}
	return objects(release.Manifest)
}

// objects prints every object of a manifest, having read it into its own type with no field unknown or twice.
func objects(manifest string) error {
	types := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(types), monitoring.AddToScheme(types)); err != nil {
		return err
	}
	strict := serializer.NewCodecFactory(types, serializer.EnableStrict).UniversalDeserializer()
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		object, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return fmt.Errorf("%w in\n%s", err, document)
		}
		if bytes.Equal(object, []byte("null")) {
			continue
		}
		if _, _, err := strict.Decode(document, nil, nil); err != nil {
			return fmt.Errorf("%w in\n%s", err, document)
		}
		fmt.Println(string(object))
	}
}

func compose(file string, profiles []string) error {
	options, err := cli.NewProjectOptions([]string{file},
		cli.WithProfiles(profiles), cli.WithWorkingDirectory(filepath.Dir(file)))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	// What is mounted from here must be here, which Compose itself leaves to the engine.
	missing := []string{}
	for _, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Type != "bind" {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				missing = append(missing, fmt.Sprintf("%s mounts %s: %v", service.Name, volume.Source, err))
			}
		}
	}
	if sort.Strings(missing); len(missing) > 0 {
		return errors.New(strings.Join(missing, "\n"))
	}
	text, err := json.Marshal(project)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}
