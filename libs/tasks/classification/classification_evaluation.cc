#include "libs/tasks/classification/classification_evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/csv.h"
#include "libs/base/json.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/base/utf8.h"
#include "libs/data/image_io.h"

namespace trainyard::tasks {
namespace {

constexpr size_t kMostMatrixInTable = 20;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Ratio = double (ClassificationEvaluation::*)(size_t) const;

double Part(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

trainyard::v1::Metric MakeMetric(absl::string_view name, absl::string_view class_name,
                                 double value) {
  trainyard::v1::Metric metric;
  metric.set_name(std::string(name));
  metric.set_class_name(std::string(class_name));
  metric.set_value(value);
  metric.set_higher_is_better(true);
  return metric;
}

size_t LettersOf(absl::string_view text) {
  size_t letters = 0;
  for (; !text.empty(); ++letters) text.remove_prefix(std::max<size_t>(Utf8Length(text), 1));
  return letters;
}

// Right-aligned by letters, not bytes.
std::string Padded(absl::string_view text, size_t width) {
  return absl::StrCat(std::string(width - std::min(width, LettersOf(text)), ' '), text);
}

size_t WidthOf(const std::vector<std::string>& names) {
  constexpr size_t kLongestTitle = 12;  // "weighted avg"
  size_t width = kLongestTitle;
  for (const std::string& name : names) width = std::max(width, LettersOf(name));
  return width;
}

// Columns as scikit-learn's report has them; "" stays blank.
std::string ReportLine(const std::string& name, size_t width,
                       const std::vector<std::string>& cells) {
  std::string line = absl::StrCat(Padded(name, width), " ");
  for (const std::string& cell : cells) absl::StrAppendFormat(&line, " %9s", cell);
  return line + "\n";
}

std::string NumberCell(double value, int decimals) {
  return std::isnan(value) ? "-" : absl::StrFormat("%.*f", decimals, value);
}

std::string MatrixText(const ClassificationEvaluation& found, const std::vector<std::string>& names,
                       size_t width) {
  int64_t largest = 0;
  for (const int64_t count : found.confusion) largest = std::max(largest, count);
  const int digits = static_cast<int>(absl::StrCat(largest).size());
  std::string text =
      "confusion matrix (rows: true class, columns: predicted class, in the same order)\n";
  for (size_t row = 0; row < names.size(); ++row) {
    absl::StrAppend(&text, Padded(names[row], width), " ");
    for (size_t column = 0; column < names.size(); ++column) {
      absl::StrAppendFormat(&text, " %*d", digits, found.confusion[row * names.size() + column]);
    }
    text += "\n";
  }
  return text;
}

std::string MatrixJson(const ClassificationEvaluation& found) {
  if (found.confusion.empty()) return "null";
  std::vector<std::string> rows;
  const size_t width = found.classes.size();
  for (size_t row = 0; row < width; ++row) {
    const auto begin = found.confusion.begin() + static_cast<ptrdiff_t>(row * width);
    rows.push_back(
        absl::StrCat("[", absl::StrJoin(begin, begin + static_cast<ptrdiff_t>(width), ", "), "]"));
  }
  return absl::StrCat("[", absl::StrJoin(rows, ", "), "]");
}

std::string MatrixCsv(const ClassificationEvaluation& found) {
  std::string text = "true class";
  for (const std::string& name : found.classes) absl::StrAppend(&text, ",", CsvCell(name));
  text += "\n";
  for (size_t row = 0; row < found.classes.size(); ++row) {
    text += CsvCell(found.classes[row]);
    for (size_t column = 0; column < found.classes.size(); ++column) {
      absl::StrAppend(&text, ",", found.confusion[row * found.classes.size() + column]);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

double ClassificationEvaluation::Accuracy() const {
  return images == 0 ? kNan : Part(correct, images);
}
double ClassificationEvaluation::TopKAccuracy() const {
  return images == 0 ? kNan : Part(top_k_correct, images);
}
double ClassificationEvaluation::Precision(size_t i) const {
  return counts[i].support == 0 ? kNan : Part(counts[i].correct, counts[i].predicted);
}
double ClassificationEvaluation::Recall(size_t i) const {
  return counts[i].support == 0 ? kNan : Part(counts[i].correct, counts[i].support);
}
double ClassificationEvaluation::F1(size_t i) const {
  if (counts[i].support == 0) return kNan;
  return Part(2 * counts[i].correct, counts[i].support + counts[i].predicted);
}

double ClassificationEvaluation::MacroAverage(Ratio ratio) const {
  double sum = 0;
  int with_support = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (counts[i].support == 0) continue;
    sum += (this->*ratio)(i);
    ++with_support;
  }
  return with_support == 0 ? kNan : sum / with_support;
}

double ClassificationEvaluation::WeightedAverage(Ratio ratio) const {
  double sum = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (counts[i].support > 0) sum += (this->*ratio)(i) * static_cast<double>(counts[i].support);
  }
  return images == 0 ? kNan : sum / static_cast<double>(images);
}

std::vector<trainyard::v1::Metric> ClassificationEvaluation::Metrics() const {
  std::vector<trainyard::v1::Metric> metrics = {MakeMetric("accuracy", "", Accuracy())};
  metrics.front().set_primary(true);
  if (top_k > 1) {
    metrics.push_back(MakeMetric(absl::StrCat("top_", top_k, "_accuracy"), "", TopKAccuracy()));
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    if (counts[i].support == 0) continue;
    metrics.push_back(MakeMetric("precision", classes[i], Precision(i)));
    metrics.push_back(MakeMetric("recall", classes[i], Recall(i)));
    metrics.push_back(MakeMetric("F1", classes[i], F1(i)));
  }
  metrics.push_back(MakeMetric("macro_F1", "", MacroAverage(&ClassificationEvaluation::F1)));
  return metrics;
}

std::string ClassificationEvaluation::Table(int decimals) const {
  std::vector<std::string> names;
  for (const std::string& name : classes) names.push_back(Shown(name));
  const size_t width = WidthOf(names);
  const auto number = [&](double value) { return NumberCell(value, decimals); };
  std::string text;
  if (!confusion.empty() && classes.size() <= kMostMatrixInTable) {
    text = MatrixText(*this, names, width) + "\n";
  }
  text += ReportLine("", width, {"precision", "recall", "f1-score", "support"}) + "\n";
  for (size_t i = 0; i < classes.size(); ++i) {
    text += ReportLine(
        names[i], width,
        {number(Precision(i)), number(Recall(i)), number(F1(i)), absl::StrCat(counts[i].support)});
  }
  const std::string all = absl::StrCat(images);
  text += "\n" + ReportLine("accuracy", width, {"", "", number(Accuracy()), all});
  if (top_k > 1) {
    text += ReportLine(absl::StrCat("top ", top_k), width, {"", "", number(TopKAccuracy()), all});
  }
  const auto averages = [&](const char* name,
                            double (ClassificationEvaluation::*mean)(Ratio) const) {
    using Self = ClassificationEvaluation;
    return ReportLine(
        name, width,
        {number((this->*mean)(&Self::Precision)), number((this->*mean)(&Self::Recall)),
         number((this->*mean)(&Self::F1)), all});
  };
  text += averages("macro avg", &ClassificationEvaluation::MacroAverage);
  return text + averages("weighted avg", &ClassificationEvaluation::WeightedAverage);
}

JsonMembers ClassificationEvaluation::Json() const {
  std::vector<std::string> names;
  JsonMembers per_class;
  for (size_t i = 0; i < classes.size(); ++i) {
    names.push_back(JsonText(classes[i]));
    per_class.emplace_back(classes[i], JsonObject({{"precision", JsonNumber(Precision(i))},
                                                   {"recall", JsonNumber(Recall(i))},
                                                   {"f1", JsonNumber(F1(i))},
                                                   {"support", absl::StrCat(counts[i].support)}}));
  }
  return {{"accuracy", JsonNumber(Accuracy())},
          {"top_k_accuracy", JsonNumber(TopKAccuracy())},
          {"top_k", absl::StrCat(top_k)},
          {"macro_F1", JsonNumber(MacroAverage(&ClassificationEvaluation::F1))},
          {"classes", absl::StrCat("[", absl::StrJoin(names, ", "), "]")},
          {"confusion_matrix", MatrixJson(*this)},
          {"per_class", JsonObject(per_class)}};
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ClassificationEvaluation::Files()
    const {
  std::vector<std::pair<std::string, std::string>> files;
  if (confusion.empty()) return files;
  files.emplace_back("confusion_matrix.csv", MatrixCsv(*this));
  TY_ASSIGN_OR_RETURN(std::string png, data::EncodePng(DrawConfusion(*this)));
  files.emplace_back("confusion_matrix.png", std::move(png));
  return files;
}

}  // namespace trainyard::tasks
