#include "libs/tasks/detection/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/tasks/detection/average_precision.h"

namespace trainyard::tasks {
namespace {

using google::protobuf::Struct;

constexpr int64_t kMaxResultsBytes = 64 << 20;

// Names that could be taken for several are quoted: lists of different classes are different texts.
std::string ClassesOf(const JudgedSet& set) {
  return absl::StrJoin(set.classes, ", ", [](std::string* out, const JudgedClass& one) {
    const bool is_plain = one.name.find_first_of(",\"") == std::string::npos;
    absl::StrAppend(out, is_plain ? one.name : JsonText(one.name));
  });
}

void CheckPlans(const JudgedSet& a, const JudgedSet& b, Problems& problems) {
  const auto same = [&problems](absl::string_view field, const std::string& of_a,
                                const std::string& of_b) {
    if (of_a == of_b) return;
    problems.Add(field, "is %s in the first and %s in the second; expected the same in both",
                 Shown(of_a), Shown(of_b));
  };
  same("matching", std::string(NameOf(a.matching)), std::string(NameOf(b.matching)));
  same("average_precision_mode", std::string(NameOf(a.ap_mode)), std::string(NameOf(b.ap_mode)));
  same("matching_iou_threshold", absl::StrCat(a.thresholds.back()),
       absl::StrCat(b.thresholds.back()));
  same("classes", ClassesOf(a), ClassesOf(b));
}

// A name, and for the how-maniest time it is there: names need not be different.
using ImageKey = std::pair<std::string, int>;

std::map<ImageKey, uint32_t> PlacesOf(const NamedSet& named) {
  std::map<ImageKey, uint32_t> places;
  std::map<std::string, int> seen;
  for (size_t i = 0; i < named.images.size(); ++i) {
    const std::string& name = named.images[i];
    places.emplace(ImageKey{name, seen[name]++}, static_cast<uint32_t>(i));
  }
  return places;
}

void CheckImages(const std::map<ImageKey, uint32_t>& a, const std::map<ImageKey, uint32_t>& b,
                 const char* which, Problems& problems) {
  int64_t missing = 0;
  std::string example;
  for (const auto& [key, place] : a) {
    if (b.contains(key)) continue;
    if (missing++ == 0) example = key.first;
  }
  if (missing == 0) return;
  problems.Add("images",
               "has %d that only the %s evaluation saw, '%s' among them; expected the same "
               "images in both",
               missing, which, Shown(example));
}

// For each image of `b` its place in `a`; what is not there has been told.
std::vector<uint32_t> PlacesIn(const std::map<ImageKey, uint32_t>& a,
                               const std::map<ImageKey, uint32_t>& b) {
  std::vector<uint32_t> places(b.size());
  for (const auto& [key, place] : b) {
    if (const auto found = a.find(key); found != a.end()) places[place] = found->second;
  }
  return places;
}

// `set` with its images at other places.
JudgedSet Moved(JudgedSet set, const std::vector<uint32_t>& places) {
  for (JudgedClass& own : set.classes) {
    for (JudgedDetection& one : own.detections) one.image = places[one.image];
    for (ObjectCount& one : own.objects) one.image = places[one.image];
    std::stable_sort(own.detections.begin(), own.detections.end(),
                     [](const auto& x, const auto& y) { return x.image < y.image; });
    std::sort(own.objects.begin(), own.objects.end(),
              [](const auto& x, const auto& y) { return x.image < y.image; });
  }
  return set;
}

// Labels that were changed between two evaluations make another truth.
void CheckObjects(const JudgedSet& a, const JudgedSet& b, const std::vector<std::string>& images,
                  Problems& problems) {
  std::map<uint32_t, std::string> examples;
  for (size_t c = 0; c < a.classes.size(); ++c) {
    std::map<uint32_t, int64_t> more;
    for (const ObjectCount& one : a.classes[c].objects) more[one.image] += one.objects;
    for (const ObjectCount& one : b.classes[c].objects) more[one.image] -= one.objects;
    for (const auto& [image, difference] : more) {
      if (difference != 0) examples.emplace(image, a.classes[c].name);
    }
  }
  if (examples.empty()) return;
  const auto& [image, class_name] = *examples.begin();
  problems.Add("objects",
               "differ in %d of %d images, of class '%s' in '%s' among them; expected the "
               "same labels in both",
               examples.size(), images.size(), Shown(class_name), Shown(images[image]));
}

ComparedNumber Number(std::string name, double a, double b, const std::vector<double>& resampled_a,
                      const std::vector<double>& resampled_b, double level) {
  std::vector<double> differences(resampled_a.size());
  for (size_t r = 0; r < differences.size(); ++r) differences[r] = resampled_b[r] - resampled_a[r];
  return {.name = std::move(name),
          .a = a,
          .b = b,
          .a_interval = PercentileInterval(resampled_a, level),
          .b_interval = PercentileInterval(resampled_b, level),
          .difference_interval = PercentileInterval(std::move(differences), level)};
}

// What a results.json says of itself; NaN for what it does not.
struct ResultsFile {
  double mean_ap, ms_per_image, f1, calibration_error;
};

double NumberAt(const Struct& object, const std::vector<std::string>& path) {
  const Struct* at = &object;
  for (size_t i = 0; i < path.size(); ++i) {
    const auto found = at->fields().find(path[i]);
    if (found == at->fields().end()) return std::nan("");
    if (i + 1 < path.size()) {
      at = &found->second.struct_value();
    } else if (found->second.has_number_value()) {
      return found->second.number_value();
    }
  }
  return std::nan("");
}

absl::StatusOr<ResultsFile> ReadResults(const std::string& path) {
  const std::string file = FolderExists(path) ? JoinPath(path, "results.json") : path;
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxResultsBytes));
  Struct results;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &results);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", file, "' is no JSON: ", std::string(status.message())));
  }
  return ResultsFile{.mean_ap = NumberAt(results, {"mAP"}),
                     .ms_per_image = NumberAt(results, {"ms_per_image"}),
                     .f1 = NumberAt(results, {"f1", "all", "f1"}),
                     .calibration_error = NumberAt(results, {"calibration", "all", "error"})};
}

absl::Status CheckTogether(const std::string& path, const ResultsFile& results,
                           const NamedSet& named) {
  const double judged = ComputeAp(named.set).mean_ap;
  if (std::abs(judged - results.mean_ap) <= 1e-9) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "'", path, "': its results.json has the mAP ", results.mean_ap, ", but ", kJudgedFile,
      " beside it gives ", judged, ": they are of two evaluations; evaluate again"));
}

}  // namespace

bool ComparedNumber::differs() const {
  return difference_interval && (difference_interval->low > 0 || difference_interval->high < 0);
}

absl::StatusOr<Comparison> CompareJudged(const NamedSet& a, const NamedSet& b,
                                         const BootstrapOptions& options) {
  Problems problems;
  CheckPlans(a.set, b.set, problems);
  const auto places_a = PlacesOf(a), places_b = PlacesOf(b);
  CheckImages(places_a, places_b, "first", problems);
  CheckImages(places_b, places_a, "second", problems);
  TY_RETURN_IF_ERROR(problems.ToStatus());
  const JudgedSet moved = Moved(b.set, PlacesIn(places_a, places_b));
  CheckObjects(a.set, moved, a.images, problems);
  TY_RETURN_IF_ERROR(problems.ToStatus());

  const ApResult ap_a = ComputeAp(a.set), ap_b = ComputeAp(b.set);
  const ResampledAp of_a = ResampleAp(a.set, options), of_b = ResampleAp(moved, options);
  Comparison result{.matching = a.set.matching,
                    .ap_mode = a.set.ap_mode,
                    .iou_threshold = a.set.thresholds.back(),
                    .images = a.set.images,
                    .level = options.level,
                    .resamples = options.resamples};
  result.numbers.push_back(
      Number("mAP", ap_a.mean_ap, ap_b.mean_ap, of_a.mean, of_b.mean, options.level));
  for (size_t c = 0; c < ap_a.classes.size(); ++c) {
    result.numbers.push_back(Number("AP_" + ap_a.classes[c].name, ap_a.classes[c].ap,
                                    ap_b.classes[c].ap, of_a.classes[c], of_b.classes[c],
                                    options.level));
  }
  return result;
}

absl::StatusOr<Comparison> CompareResults(const std::string& a, const std::string& b,
                                          const BootstrapOptions& options) {
  TY_ASSIGN_OR_RETURN(const ResultsFile results_a, ReadResults(a));
  TY_ASSIGN_OR_RETURN(const ResultsFile results_b, ReadResults(b));
  TY_ASSIGN_OR_RETURN(const NamedSet judged_a, ReadJudged(a));
  TY_ASSIGN_OR_RETURN(const NamedSet judged_b, ReadJudged(b));
  TY_RETURN_IF_ERROR(CheckTogether(a, results_a, judged_a));
  TY_RETURN_IF_ERROR(CheckTogether(b, results_b, judged_b));
  TY_ASSIGN_OR_RETURN(Comparison result, CompareJudged(judged_a, judged_b, options));
  const auto add = [&](const char* name, double ResultsFile::*value) {
    if (std::isnan(results_a.*value) && std::isnan(results_b.*value)) return;
    result.numbers.push_back({.name = name, .a = results_a.*value, .b = results_b.*value});
  };
  add("f1", &ResultsFile::f1);
  add("calibration_error", &ResultsFile::calibration_error);
  add("ms_per_image", &ResultsFile::ms_per_image);
  return result;
}

}  // namespace trainyard::tasks
