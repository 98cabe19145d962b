#include "services/orchestrator/gates.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"

namespace trainyard::orchestrator {
namespace {

void CheckMinimum(const Gates::Minimum& gate, const MetricList& metrics, Problems& problems) {
  const std::string name = gate.metric.ToString();
  const v1::Metric* metric = FindMetric(metrics, gate.metric);
  if (metric == nullptr) {
    problems.Add(name, "was not measured; the gate wants at least %g", gate.value);
  } else if (!(metric->value() >= gate.value)) {
    problems.Add(name, "is %.4f; the gate wants at least %g", metric->value(), gate.value);
  }
}

void CheckDrop(const Gates::MaxDrop& gate, const MetricList& metrics, const MetricList* before,
               Problems& problems) {
  const std::string name = gate.metric.ToString();
  const v1::Metric* now = FindMetric(metrics, gate.metric);
  const v1::Metric* then = before == nullptr ? nullptr : FindMetric(*before, gate.metric);
  if (now == nullptr) {
    problems.Add(name, "was not measured; the gate compares it with stage '%s'", gate.from);
    return;
  }
  if (then == nullptr) {
    problems.Add(name, "was not measured by stage '%s', with which the gate compares", gate.from);
    return;
  }
  const double drop = now->higher_is_better() ? then->value() - now->value()
                                              : now->value() - then->value();
  if (!(drop <= gate.value)) {
    problems.Add(name, "is %.4f, worse by %.4f than the %.4f of stage '%s'; the gate allows %g",
                 now->value(), drop, then->value(), gate.from, gate.value);
  }
}

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

absl::Status CheckGates(const Gates& gates, const MetricList& metrics,
                        const std::function<const MetricList*(const std::string&)>& metrics_of) {
  Problems problems;
  for (const Gates::Minimum& gate : gates.minimums) CheckMinimum(gate, metrics, problems);
  for (const Gates::MaxDrop& gate : gates.max_drops) {
    CheckDrop(gate, metrics, metrics_of(gate.from), problems);
  }
  return problems.ToStatus(absl::StatusCode::kFailedPrecondition);
}

}  // namespace trainyard::orchestrator
