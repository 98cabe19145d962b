#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "libs/tasks/task.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

/// How often a class was shown, told, and both.
struct ClassCounts {
  int64_t support = 0, predicted = 0, correct = 0;
};

/// How well pictures were told apart. Ratios are NaN where they are not defined.
///
/// Of a class without pictures (support 0) nothing is known: its precision, recall and F1 are NaN,
/// no metric, and in no average. A class that was never told, but has pictures, has precision and
/// F1 of 0, as in scikit-learn.
class ClassificationEvaluation final : public Evaluation {
 public:
  std::vector<std::string> classes;
  /// As many.
  std::vector<ClassCounts> counts;
  /// Pictures by true class (rows) and predicted class (columns), row by row. Empty when there are
  /// more than kMostMatrixClasses classes.
  std::vector<int64_t> confusion;
  int64_t images = 0, correct = 0;
  /// A picture counts when its class is among the `top_k` most probable ones. >= 1; more than there
  /// are classes means all.
  int top_k = 1;
  int64_t top_k_correct = 0;

  double Accuracy() const;
  double TopKAccuracy() const;
  /// Of those told as class `i`, the part that is; of those that are, the part told; their harmonic
  /// mean.
  double Precision(size_t i) const;
  double Recall(size_t i) const;
  double F1(size_t i) const;
  /// Means of a ratio over the classes with pictures: each counts alike, or by its pictures.
  double MacroAverage(double (ClassificationEvaluation::*ratio)(size_t) const) const;
  double WeightedAverage(double (ClassificationEvaluation::*ratio)(size_t) const) const;

  /// `accuracy` (primary), `top_<k>_accuracy` unless k is 1, `precision`, `recall` and `F1` of each
  /// class with pictures, `macro_F1`.
  std::vector<trainyard::v1::Metric> Metrics() const override;
  /// The confusion matrix, of up to 20 classes, and the report as scikit-learn prints it, with "-"
  /// where nothing is known.
  std::string Table(int decimals) const override;
  /// `accuracy`, `top_k_accuracy` and `top_k`, `macro_F1`, `classes`, `confusion_matrix` (an array
  /// for each true class; null when it is left out), `per_class` {class: {precision, recall, f1,
  /// support}}.
  JsonMembers Json() const override;
  /// confusion_matrix.csv (a line for each true class, a column for each predicted one, with their
  /// names; RFC 4180 but for the line breaks) and confusion_matrix.png; none without a matrix.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Files() const override;
};

/// 32 MB of counts, 8 MB of results.json.
inline constexpr size_t kMostMatrixClasses = 2000;

/// The confusion matrix as a picture, u8 RGB [h, w, 3]: darker is more of its true class (row),
/// numbers and names where there is room.
Tensor DrawConfusion(const ClassificationEvaluation& evaluation);

}  // namespace trainyard::tasks
