#include "libs/tasks/detection/precision_curve.h"

#include <algorithm>
#include <cstddef>

namespace trainyard::tasks {
namespace {

// NumPy's linspace(0, last, count)[i]; the same rounding decides whether a recall reaches a point.
double SamplePoint(int i, int count) { return i == count - 1 ? 1.0 : i * (1.0 / (count - 1)); }

}  // namespace

void FillEnvelope(PrCurve& curve) {
  curve.envelope = curve.precision;
  for (size_t i = curve.envelope.size(); i-- > 1;) {
    curve.envelope[i - 1] = std::max(curve.envelope[i - 1], curve.envelope[i]);
  }
}

double SampledAp(const PrCurve& curve, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) {
    const auto at =
        std::lower_bound(curve.recall.begin(), curve.recall.end(), SamplePoint(i, count));
    if (at != curve.recall.end()) sum += curve.envelope[at - curve.recall.begin()];
  }
  return sum / count;
}

double IntegratedAp(const PrCurve& curve) {
  double area = 0, previous = 0;
  for (size_t i = 0; i < curve.recall.size(); ++i) {
    area += (curve.recall[i] - previous) * curve.envelope[i];
    previous = curve.recall[i];
  }
  return area;
}

}  // namespace trainyard::tasks
