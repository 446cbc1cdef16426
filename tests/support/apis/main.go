// A judge: what Calico's and Istio's own Go code says of objects and selectors, for the tests of this project.
//
// It reads one question a line from standard input, as JSON, and answers each with a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	calico "github.com/projectcalico/api/pkg/apis/projectcalico/v3"
	"github.com/projectcalico/libcalico-go/lib/selector"
	"google.golang.org/protobuf/encoding/protojson"
	istio "istio.io/api/security/v1"
	"sigs.k8s.io/yaml"
)

type question struct {
	// An object as YAML: of Calico's API, or Istio's.
	Object string `json:"object"`
	// A selector of Calico's, and labels that it is asked about.
	Selector *string             `json:"selector"`
	Labels   []map[string]string `json:"labels"`
}

type answer struct {
	// What is wrong; empty where nothing is.
	Error string `json:"error"`
	// For each set of labels whether the selector matches.
	Matches []bool `json:"matches"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var asked question
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "this is no question:", err)
			os.Exit(1)
		}
		told, _ := json.Marshal(judge(asked))
		fmt.Fprintln(out, string(told))
	}
}

func judge(asked question) (told answer) {
	var err error
	if asked.Selector != nil {
		told.Matches, err = matches(*asked.Selector, asked.Labels)
	} else {
		err = object(asked.Object)
	}
	if err != nil {
		told.Error = err.Error()
	}
	return told
}

func matches(text string, labels []map[string]string) ([]bool, error) {
	parsed, err := selector.Parse(text)
	if err != nil {
		return nil, err
	}
	found := make([]bool, 0, len(labels))
	for _, one := range labels {
		found = append(found, parsed.Evaluate(one))
	}
	return found, nil
}

// The object read as the type that it says it is of; a field that the type does not have is an error.
func object(text string) error {
	var head struct {
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Spec       json.RawMessage `json:"spec"`
	}
	asJSON, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(asJSON, &head); err != nil {
		return err
	}
	switch head.APIVersion + " " + head.Kind {
	case "projectcalico.org/v3 NetworkPolicy":
		return yaml.UnmarshalStrict([]byte(text), &calico.NetworkPolicy{})
	case "projectcalico.org/v3 StagedNetworkPolicy":
		// This version of the API has no staged policies; they differ in one field.
		return staged(asJSON)
	case "security.istio.io/v1 AuthorizationPolicy":
		return protojson.Unmarshal(head.Spec, &istio.AuthorizationPolicy{})
	}
	return fmt.Errorf("%s of %s is not known", head.Kind, head.APIVersion)
}

func staged(text []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	spec, _ := fields["spec"].(map[string]any)
	if spec["stagedAction"] != "Set" {
		return fmt.Errorf("stagedAction is %v", spec["stagedAction"])
	}
	delete(spec, "stagedAction")
	rest, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(rest, &calico.NetworkPolicy{})
}
