#include "services/orchestrator/gates.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"

namespace trainyard::orchestrator {
namespace {

absl::string_view NameOf(Gates::OnFail on_fail) {
  switch (on_fail) {
    case Gates::OnFail::kStop:
      return "stop";
    case Gates::OnFail::kContinue:
      return "continue";
    case Gates::OnFail::kRetry:
      return "retry";
  }
  return "";
}

// Notes gates that broke; each text begins with the metric's name.
class GateChecker {
 public:
  GateChecker(const Gates& gates, const MetricList& metrics) : gates_(gates), metrics_(metrics) {}

  void CheckMinimum(const Gates::Bound& gate) {
    const v1::Metric* metric = FindMetric(metrics_, gate.metric);
    const bool holds = metric != nullptr && metric->value() >= gate.value;
    if (!holds) AddBound(gate, metric, "at least");
  }

  void CheckMaximum(const Gates::Bound& gate) {
    const v1::Metric* metric = FindMetric(metrics_, gate.metric);
    const bool holds = metric != nullptr && metric->value() <= gate.value;
    if (!holds) AddBound(gate, metric, "at most");
  }

  void CheckDrop(const Gates::MaxDrop& gate, const MetricList* before) {
    const v1::Metric* now = FindMetric(metrics_, gate.metric);
    const v1::Metric* then = before == nullptr ? nullptr : FindMetric(*before, gate.metric);
    std::string text;
    if (now == nullptr) {
      text = absl::StrFormat("was not measured; the gate compares it with stage '%s'", gate.from);
    } else if (then == nullptr) {
      text = absl::StrFormat("was not measured by stage '%s', with which the gate compares",
                             gate.from);
    } else {
      const double drop = now->higher_is_better() ? then->value() - now->value()
                                                  : now->value() - then->value();
      if (drop <= gate.value) return;
      text = absl::StrFormat(
          "is %.4f, worse by %.4f than the %.4f of stage '%s'; the gate allows %g", now->value(),
          drop, then->value(), gate.from, gate.value);
    }
    Add(gate.metric, now, gate.value, text).set_from(gate.from);
  }

  BrokenGates Take() { return std::move(broken_); }

 private:
  void AddBound(const Gates::Bound& gate, const v1::Metric* metric, absl::string_view side) {
    const std::string seen = metric == nullptr ? std::string("was not measured")
                                               : absl::StrFormat("is %.4f", metric->value());
    Add(gate.metric, metric, gate.value,
        absl::StrFormat("%s; the gate wants %s %g", seen, side, gate.value));
  }

  v1::Run::BrokenGate& Add(const MetricName& name, const v1::Metric* metric, double bound,
                           absl::string_view text) {
    v1::Run::BrokenGate& broken = *broken_.Add();
    broken.set_metric(name.ToString());
    if (metric != nullptr) broken.set_value(metric->value());
    broken.set_bound(bound);
    broken.set_on_fail(std::string(NameOf(gates_.on_fail)));
    broken.set_text(absl::StrCat(broken.metric(), " ", text));
    return broken;
  }

  const Gates& gates_;
  const MetricList& metrics_;
  BrokenGates broken_;
};

}  // namespace

MetricName MetricName::Parse(absl::string_view text) {
  const size_t open = text.find('[');
  if (open == absl::string_view::npos || text.back() != ']') return {.name = std::string(text)};
  return {.name = std::string(text.substr(0, open)),
          .class_name = std::string(text.substr(open + 1, text.size() - open - 2))};
}

std::string MetricName::ToString() const {
  return class_name.empty() ? name : absl::StrCat(name, "[", class_name, "]");
}

const v1::Metric* FindMetric(const MetricList& metrics, const MetricName& name) {
  for (const v1::Metric& metric : metrics) {
    if (metric.name() == name.name && metric.class_name() == name.class_name) return &metric;
  }
  return nullptr;
}

BrokenGates FindBrokenGates(
    const Gates& gates, const MetricList& metrics,
    const std::function<const MetricList*(const std::string&)>& metrics_of) {
  GateChecker checker(gates, metrics);
  for (const Gates::Bound& gate : gates.minimums) checker.CheckMinimum(gate);
  for (const Gates::Bound& gate : gates.maximums) checker.CheckMaximum(gate);
  for (const Gates::MaxDrop& gate : gates.max_drops) {
    checker.CheckDrop(gate, metrics_of(gate.from));
  }
  return checker.Take();
}

absl::Status CheckGates(const Gates& gates, const MetricList& metrics,
                        const std::function<const MetricList*(const std::string&)>& metrics_of) {
  Problems problems;
  for (const v1::Run::BrokenGate& broken : FindBrokenGates(gates, metrics, metrics_of)) {
    problems.AddProblem({.description = broken.text()});
  }
  return problems.ToStatus(absl::StatusCode::kFailedPrecondition);
}

}  // namespace trainyard::orchestrator
