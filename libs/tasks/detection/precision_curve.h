#pragma once

#include <vector>

namespace trainyard::tasks {

/// Precision over recall of one class at one IoU threshold, a point for each detection that counts,
/// by descending score. `envelope[i]` is the best precision at recall[i] or more.
struct PrCurve {
  std::vector<double> recall, precision, envelope, score;
};

/// Computes `envelope` from `precision`.
void FillEnvelope(PrCurve& curve);

// Average precision of a curve that has its envelope. Points at which recall does not grow may be
// left out: they change neither.

/// Mean over `count` points of recall, 0 to 1, of the best precision there or beyond; 0 where
/// recall never comes.
double SampledAp(const PrCurve& curve, int count);
/// The area under the envelope.
double IntegratedAp(const PrCurve& curve);

}  // namespace trainyard::tasks
