#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// Numbers of many things; zeros when there is none.
struct Spread {
  double least = 0;
  /// The one in the middle, the lower of two.
  double median = 0;
  double most = 0;
};

/// The spread of `values`, which are put in another order.
Spread SpreadOf(std::vector<float>& values);

/// What the labels of a set hold.
struct DataSurvey {
  struct Part {
    DataPart part;
    /// Pictures that can be used, and their boxes.
    int64_t pictures = 0, boxes = 0;
    Ledger ledger;
  };
  struct Class {
    int64_t boxes = 0;
    /// With a box of it.
    int64_t pictures = 0;
    int64_t difficult = 0;
  };
  std::vector<Part> parts;
  /// By name, as the labels spell it.
  std::map<std::string, Class> classes;
  /// Pixels: of pictures that can be used, of boxes as they are labelled.
  Spread picture_width, picture_height, box_width, box_height;
  int64_t pictures_without_boxes = 0;
};

/// Looks all pictures and labels of a candidate through, part after part. Memory: 8 bytes for each
/// picture and each box, beside what ScanDataPart needs. Fails as ScanDataPart, with the part's
/// name in front.
absl::StatusOr<DataSurvey> SurveyDataSet(
    const std::string& folder, const DataCandidate& candidate, int threads,
    const std::function<bool(int64_t done, int64_t total)>& go_on = nullptr);

/// The survey for people: one screen of lines. `shown` is what they call the folder; classes beyond
/// the `most` with the most boxes are counted in one line.
std::vector<std::string> DescribeSurvey(const std::string& shown,
                                        const RecognizedDataSet& recognized, DataFormat format,
                                        const DataSurvey& survey, size_t most = 20);

/// What was left out and noticed, of all parts: at most `most` lines, of which the last tells how
/// many more there are.
std::vector<std::string> ProblemsOf(const DataSurvey& survey, size_t most);

}  // namespace trainyard::data
