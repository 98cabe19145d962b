#include "libs/data/data_layout.h"

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"

namespace trainyard::data {
namespace {

// What parts are called by what they are for; the first that is there is taken.
constexpr std::array<absl::string_view, 3> kTrainingNames = {"train", "trainval", "training"};
constexpr std::array<absl::string_view, 3> kValidationNames = {"val", "valid", "validation"};
constexpr std::array<absl::string_view, 2> kTestNames = {"test", "testing"};

// "train" of "cells/Train" and of "train2017".
std::string PurposeName(const DataPart& part) {
  std::string name = absl::AsciiStrToLower(BaseName(part.name));
  while (!name.empty() && absl::ascii_isdigit(static_cast<unsigned char>(name.back()))) {
    name.pop_back();
  }
  return name;
}

FrameScan ScanOf(const std::string& folder, DataFormat format, const DataPart& part) {
  return [folder, format, part](int threads, const auto& keep, const auto& go_on) {
    return ScanDataPart(folder, format, part, threads, keep, go_on);
  };
}

// The parts of a set, each of which is given away once.
class Parts {
 public:
  Parts(const std::string& folder, const DataCandidate& candidate)
      : folder_(folder), format_(candidate.format), left_(candidate.parts) {}

  // Null when no part is called so.
  FrameScan Take(absl::Span<const absl::string_view> names) {
    for (const absl::string_view name : names) {
      for (auto part = left_.begin(); part != left_.end(); ++part) {
        if (PurposeName(*part) != name) continue;
        FrameScan scan = ScanOf(folder_, format_, *part);
        left_.erase(part);
        return scan;
      }
    }
    return nullptr;
  }

  std::vector<std::string> Left() const {
    std::vector<std::string> names;
    for (const DataPart& part : left_) names.push_back(absl::StrCat("'", Shown(part.name), "'"));
    return names;
  }

 private:
  const std::string& folder_;
  DataFormat format_;
  std::vector<DataPart> left_;
};

absl::Status GiveParts(const std::string& folder, const DataCandidate& candidate,
                       DataLayout& layout) {
  if (candidate.parts.size() == 1) {
    layout.training = ScanOf(folder, candidate.format, candidate.parts.front());
    return absl::OkStatus();
  }
  Parts parts(folder, candidate);
  layout.training = parts.Take(kTrainingNames);
  if (layout.training == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", folder, "' has the parts ", SomeOf(parts.Left(), 8),
                     "; expected one that is called train (trainval, training), and maybe val "
                     "(valid, validation) and test (testing)"));
  }
  layout.validation = parts.Take(kValidationNames);
  layout.test = parts.Take(kTestNames);
  for (const std::string& name : parts.Left()) {
    layout.notes.push_back(absl::StrCat("the part ", name, " of the set is passed over"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DataLayout> RecogniseData(const std::string& folder) {
  TY_ASSIGN_OR_RETURN(const RecognizedDataSet recognized, RecognizeDataSet(folder));
  TY_ASSIGN_OR_RETURN(const DataCandidate candidate,
                      ChooseCandidate(recognized, "", /*expect_clear=*/false));
  if (!HasFrames(candidate.format)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", folder, "' is a set of format ", NameOf(candidate.format),
        "; expected pictures with labels of KITTI, Pascal VOC or YOLO, or annotations of COCO"));
  }
  DataLayout layout{.format = candidate.format, .notes = recognized.ambiguities};
  if (recognized.candidates.size() > 1) {
    layout.notes.push_back(absl::StrCat("it is read as ", NameOf(candidate.format)));
  }
  TY_RETURN_IF_ERROR(GiveParts(folder, candidate, layout));
  return layout;
}

}  // namespace trainyard::data
