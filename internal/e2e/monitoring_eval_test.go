package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/oubli/oubli/internal/app"
)

// scrape is one reading of /metrics of some processes: families by name, and every
// sample.
type scrape struct {
	families map[string]dto.MetricType
	samples  []reading
}

type reading struct {
	labels map[string]string // "__name__" among them
	value  float64
}

// scrapeAll reads /metrics of processes as Prometheus would.
func scrapeAll(t *testing.T, services ...*app.Service) scrape {
	t.Helper()
	s := scrape{families: map[string]dto.MetricType{}}
	for _, service := range services {
		_, text := readPage(t, service, "/metrics")
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range families {
			s.families[name] = f.GetType()
			for _, m := range f.Metric {
				labels := map[string]string{"instance": service.OpsAddr}
				for _, l := range m.Label {
					labels[l.GetName()] = l.GetValue()
				}
				s.add(name, labels, m)
			}
		}
	}
	return s
}

func (s *scrape) add(name string, labels map[string]string, m *dto.Metric) {
	put := func(name string, value float64) {
		named := map[string]string{"__name__": name}
		for k, v := range labels {
			named[k] = v
		}
		s.samples = append(s.samples, reading{named, value})
	}
	switch {
	case m.Histogram != nil:
		put(name+"_sum", m.Histogram.GetSampleSum())
		put(name+"_count", float64(m.Histogram.GetSampleCount()))
		put(name+"_bucket", float64(m.Histogram.GetSampleCount()))
	case m.Summary != nil:
		put(name+"_sum", m.Summary.GetSampleSum())
		put(name+"_count", float64(m.Summary.GetSampleCount()))
	case m.Gauge != nil:
		put(name, m.Gauge.GetValue())
	case m.Counter != nil:
		put(name, m.Counter.GetValue())
	default:
		put(name, m.Untyped.GetValue())
	}
}

// names lists the names of the samples.
func (s scrape) names() map[string]bool {
	names := map[string]bool{}
	for _, x := range s.samples {
		names[x.labels["__name__"]] = true
	}
	return names
}

// metricsOf lists the metrics that a PromQL expression names.
func metricsOf(t *testing.T, expr string) []string {
	t.Helper()
	e, err := metricsql.Parse(strings.ReplaceAll(expr, "$__rate_interval", "5m"))
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var names []string
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		if m, ok := e.(*metricsql.MetricExpr); ok {
			names = append(names, m.LabelFilterss[0][0].Value)
		}
	})
	return names
}

// scrapes are two scrapes, one at the beginning and one at the end of a rule's time
// window. They show whether the rule's condition is met. Only the part of PromQL
// that the rules of oubli use is implemented; anything else panics.
type scrapes struct{ before, now scrape }

// met reports whether an alert's condition is met.
func (l scrapes) met(t *testing.T, expr string) bool {
	t.Helper()
	e, err := metricsql.Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	return len(l.eval(e)) > 0
}

// eval gives a vector; a number is a vector of one reading without labels.
func (l scrapes) eval(e metricsql.Expr) []reading {
	switch e := e.(type) {
	case *metricsql.NumberExpr:
		return []reading{{nil, e.N}}
	case *metricsql.MetricExpr:
		return l.now.matching(e)
	case *metricsql.BinaryOpExpr:
		return l.binary(e)
	case *metricsql.AggrFuncExpr:
		return aggregate(e.Name, e.Modifier, l.eval(e.Args[0]))
	case *metricsql.FuncExpr:
		return l.call(e)
	}
	panic(fmt.Sprintf("cannot evaluate %T", e))
}

func (s scrape) matching(m *metricsql.MetricExpr) []reading {
	var found []reading
	for _, x := range s.samples {
		fits := true
		for _, f := range m.LabelFilterss[0] {
			value := x.labels[f.Label]
			equal := value == f.Value
			if f.IsRegexp {
				equal = regexp.MustCompile("^(?:" + f.Value + ")$").MatchString(value)
			}
			fits = fits && equal != f.IsNegative
		}
		if fits {
			found = append(found, x)
		}
	}
	return found
}

func (l scrapes) call(e *metricsql.FuncExpr) []reading {
	switch e.Name {
	case "time":
		return []reading{{nil, float64(time.Now().Unix())}}
	case "absent":
		if len(l.eval(e.Args[0])) > 0 {
			return nil
		}
		return []reading{{nil, 1}}
	case "increase", "delta", "rate":
		window := e.Args[0].(*metricsql.RollupExpr)
		selector := window.Expr.(*metricsql.MetricExpr)
		seconds := 1.0
		if e.Name == "rate" {
			ms, err := window.Window.NonNegativeDuration(0)
			if err != nil {
				panic(err)
			}
			seconds = float64(ms) / 1000
		}
		var all []reading
		for _, now := range l.now.matching(selector) {
			for _, before := range l.before.samples {
				if fmt.Sprint(before.labels) == fmt.Sprint(now.labels) {
					all = append(all, reading{now.labels, (now.value - before.value) / seconds})
				}
			}
		}
		return all
	}
	panic("cannot evaluate " + e.Name)
}

func aggregate(name string, by metricsql.ModifierExpr, in []reading) []reading {
	if by.Op != "" && by.Op != "by" {
		panic("cannot evaluate " + by.Op)
	}
	var out []reading
	for _, x := range in {
		labels := map[string]string{}
		for _, l := range by.Args {
			labels[l] = x.labels[l]
		}
		i := slices.IndexFunc(out, func(o reading) bool { return fmt.Sprint(o.labels) == fmt.Sprint(labels) })
		switch {
		case i < 0:
			out = append(out, reading{labels, x.value})
		case name == "max":
			out[i].value = max(out[i].value, x.value)
		case name == "sum":
			out[i].value += x.value
		default:
			panic("cannot evaluate " + name)
		}
	}
	return out
}

func (l scrapes) binary(e *metricsql.BinaryOpExpr) []reading {
	left, right := l.eval(e.Left), l.eval(e.Right)
	switch e.Op {
	case "or":
		if len(left) > 0 {
			return left
		}
		return right
	case "and":
		if len(right) == 0 {
			return nil
		}
		return left
	}
	var out []reading
	for i, x := range left {
		if len(right) == 0 || len(right) > 1 && len(left) > 1 {
			break
		}
		y := right[0].value
		keep, value := true, x.value
		switch e.Op {
		case "==":
			keep = x.value == y
		case ">":
			keep = x.value > y
		case "<":
			keep = x.value < y
		case "/":
			value = x.value / y
		case "*":
			value = x.value * y
		case "-": // of one time and many others
			for _, r := range right {
				out = append(out, reading{r.labels, left[i].value - r.value})
			}
			continue
		default:
			panic("cannot evaluate " + e.Op)
		}
		if keep {
			out = append(out, reading{x.labels, value})
		}
	}
	return out
}
