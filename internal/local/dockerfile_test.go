package local_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// lastStage is the part of the Dockerfile that builds the final image.
func lastStage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := regexp.MustCompile(`(?m)^FROM `).Split(string(b), -1)
	return "FROM " + stages[len(stages)-1]
}

func TestTheImageHoldsTheProgramAndNoSystem(t *testing.T) {
	t.Parallel()
	stage := lastStage(t)
	if !strings.HasPrefix(stage, "FROM scratch\n") {
		t.Errorf("the image is not made from scratch:\n%s", stage)
	}
	for _, instruction := range []string{"RUN", "VOLUME", "ADD"} {
		if regexp.MustCompile(`(?m)^` + instruction + ` `).MatchString(stage) {
			t.Errorf("the image's stage has a %s:\n%s", instruction, stage)
		}
	}
	if copied := regexp.MustCompile(`(?m)^COPY (.*)$`).FindAllStringSubmatch(stage, -1); len(copied) != 4 {
		t.Errorf("what is copied into the image? %q", copied)
	}
	for _, instruction := range []string{"ENTRYPOINT", "CMD"} { // exec form: the image has no shell
		if !regexp.MustCompile(`(?m)^` + instruction + ` \[`).MatchString(stage) {
			t.Errorf("%s is not in its exec form:\n%s", instruction, stage)
		}
	}
}

func TestTheImageRunsWithoutRoot(t *testing.T) {
	t.Parallel()
	users := regexp.MustCompile(`(?m)^USER (.*)$`).FindAllStringSubmatch(lastStage(t), -1)
	// By number: Kubernetes' runAsNonRoot cannot look up a name.
	if len(users) != 1 || !regexp.MustCompile(`^[1-9][0-9]{3,}:[1-9][0-9]{3,}$`).MatchString(users[0][1]) {
		t.Errorf("the image runs as %q", users)
	}
}

func TestTheImageIsBuiltFromNamedVersions(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`).FindAllStringSubmatch(string(b), -1) {
		if image := from[1]; image != "scratch" && !regexp.MustCompile(`:[0-9]+\.[0-9]+`).MatchString(image) {
			t.Errorf("%s names no version", image)
		}
	}
	if !strings.Contains(string(b), "COPY go.mod go.sum ./") {
		t.Error("the modules are not fetched by the checksums of go.sum")
	}
}
