#include "libs/data/tfrecord/example.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/tfrecord/features.h"

namespace trainyard::data {
namespace {

using internal::BytesList;
using internal::Features;
using internal::FeatureValue;
using internal::FloatList;
using internal::Int64List;

// Copies the feature `name` into a list. One without values may have lost its kind; it is empty
// then.
template <typename List>
absl::Status Fetch(const Features& features, absl::string_view name, bool required, List& out) {
  const auto it = features.find(name);
  if (it == features.end()) {
    if (!required) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("feature '", name, "' is missing"));
  }
  if (const auto* list = std::get_if<List>(&it->second)) {
    out = *list;
    return absl::OkStatus();
  }
  const auto* strings = std::get_if<BytesList>(&it->second);
  if (strings != nullptr && strings->empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat("feature '%s' is a list of %s; expected %s", name,
                                             internal::kFeatureKinds[it->second.index()],
                                             internal::kFeatureKinds[FeatureValue(List()).index()]));
}

template <typename List, typename Out>
absl::Status FetchOne(const Features& features, absl::string_view name, Out& out) {
  List list;
  TY_RETURN_IF_ERROR(Fetch(features, name, true, list));
  if (list.size() != 1) {
    return absl::DataLossError(
        absl::StrFormat("feature '%s' has %d values; expected one", name, list.size()));
  }
  out = Out(list[0]);
  return absl::OkStatus();
}

// The float lists of TAO's forms by their names; the first is kTao's alone, the first five are those
// that a detector needs.
struct FloatFeature {
  absl::string_view name;
  FloatList DetectionExample::*list;
};
constexpr size_t kNeeded = 5;
constexpr FloatFeature kFloatFeatures[] = {
    {"target/object_class_id", &DetectionExample::class_ids},
    {"target/coordinates_x1", &DetectionExample::x1},
    {"target/coordinates_y1", &DetectionExample::y1},
    {"target/coordinates_x2", &DetectionExample::x2},
    {"target/coordinates_y2", &DetectionExample::y2},
    {"target/truncation", &DetectionExample::truncation},
    {"target/observation_angle", &DetectionExample::observation_angle},
    {"target/world_bbox_h", &DetectionExample::world_h},
    {"target/world_bbox_w", &DetectionExample::world_w},
    {"target/world_bbox_l", &DetectionExample::world_l},
    {"target/world_bbox_x", &DetectionExample::world_x},
    {"target/world_bbox_y", &DetectionExample::world_y},
    {"target/world_bbox_z", &DetectionExample::world_z},
    {"target/world_bbox_rot_y", &DetectionExample::world_rot_y},
};

constexpr absl::string_view kPicture = "frame/encoded", kClassNames = "target/object_class",
                            kClassIds = kFloatFeatures[0].name;

bool Has(const Features& features, absl::string_view name) {
  return features.find(name) != features.end();
}

// TAO's two forms: one holds the picture and numbers of classes, the other neither.
absl::StatusOr<RecordForm> FormOfTao(const Features& features) {
  const bool numbers = Has(features, kClassIds), names = Has(features, kClassNames);
  if (Has(features, kPicture) ? names : numbers) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the record mixes two forms of TAO's converter: %s and %s; expected frame/encoded with "
        "target/object_class_id, or target/object_class without a picture (DetectNet_v2)",
        Has(features, kPicture) ? kPicture : "no frame/encoded", numbers ? kClassIds : kClassNames));
  }
  return Has(features, kPicture) ? RecordForm::kTao : RecordForm::kDetectNet;
}

absl::StatusOr<RecordForm> FormOf(const Features& features) {
  const auto begins = [&features](absl::string_view prefix) {
    const auto at = features.lower_bound(prefix);
    return at != features.end() && absl::StartsWith(at->first, prefix);
  };
  const bool of_tao = Has(features, "frame/id");
  if (of_tao && (Has(features, "image/encoded") || begins("image/object/"))) {
    return absl::InvalidArgumentError(
        "the record mixes the features of TAO's converter (frame/id) with those of TensorFlow's Object "
        "Detection API (image/encoded, image/object/bbox)");
  }
  if (of_tao) return FormOfTao(features);
  if (begins("image/object/bbox/")) return RecordForm::kObjectDetection;
  if (Has(features, "image/encoded")) {
    return absl::InvalidArgumentError(
        "the record has a picture (image/encoded) but no boxes (image/object/bbox/xmin): it seems to be "
        "one for classification");
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : features) names.push_back(Shown(name));
  return absl::DataLossError(absl::StrCat(
      "the record is of no known form: it has neither 'frame/id' (TAO's converter) nor 'image/encoded' "
      "(TensorFlow's Object Detection API); it has ",
      names.empty() ? "none" : SomeOf(names, 8)));
}

// One value an object in each list; those that a detector does not need may be absent.
absl::Status CheckLength(absl::string_view name, size_t length, bool needed,
                         absl::string_view of_objects, size_t objects) {
  if (length == objects || (length == 0 && !needed)) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat("feature '%s' has %d values, '%s' has %d", name,
                                             length, of_objects, objects));
}

absl::Status CheckFinite(absl::string_view name, const FloatList& list) {
  const auto bad = std::find_if(list.begin(), list.end(), [](float v) { return !std::isfinite(v); });
  if (bad == list.end()) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat("feature '%s' holds %g", name, *bad));
}

// The lists of both of TAO's forms.
absl::Status FetchTaoLists(const Features& features, DetectionExample& example) {
  const bool named = example.form == RecordForm::kDetectNet;
  if (named) {
    BytesList names;
    TY_RETURN_IF_ERROR(Fetch(features, kClassNames, true, names));
    example.class_names = std::vector<std::string>(names.begin(), names.end());
  }
  TY_RETURN_IF_ERROR(Fetch(features, "target/occlusion", false, example.occlusion));
  const absl::string_view classes = named ? kClassNames : kClassIds;
  for (size_t i = named ? 1 : 0; i < std::size(kFloatFeatures); ++i) {
    const auto& [name, member] = kFloatFeatures[i];
    FloatList& list = example.*member;
    TY_RETURN_IF_ERROR(Fetch(features, name, i < kNeeded, list));
    TY_RETURN_IF_ERROR(CheckLength(name, list.size(), i < kNeeded, classes, example.objects()));
    if (i < kNeeded) TY_RETURN_IF_ERROR(CheckFinite(name, list));
  }
  return CheckLength("target/occlusion", example.occlusion.size(), false, classes,
                     example.objects());
}

absl::Status CheckSize(const DetectionExample& example) {
  if (example.width >= 1 && example.height >= 1) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrFormat("the image claims to be %d x %d", example.width, example.height));
}

absl::Status DecodeTao(const Features& features, DetectionExample& example) {
  TY_RETURN_IF_ERROR(FetchOne<BytesList>(features, "frame/id", example.id));
  if (example.form == RecordForm::kTao) {
    TY_RETURN_IF_ERROR(FetchOne<BytesList>(features, kPicture, example.encoded));
  }
  TY_RETURN_IF_ERROR(FetchOne<Int64List>(features, "frame/height", example.height));
  TY_RETURN_IF_ERROR(FetchOne<Int64List>(features, "frame/width", example.width));
  TY_RETURN_IF_ERROR(FetchTaoLists(features, example));
  TY_RETURN_IF_ERROR(CheckSize(example));
  if (example.form == RecordForm::kTao) return absl::OkStatus();
  // DetectNet_v2's corners are pixels.
  const auto divide = [](FloatList& list, int64_t side) {
    for (float& v : list) {
      v = static_cast<float>(static_cast<double>(v) / static_cast<double>(side));
    }
  };
  for (FloatList* list : {&example.x1, &example.x2}) divide(*list, example.width);
  for (FloatList* list : {&example.y1, &example.y2}) divide(*list, example.height);
  return absl::OkStatus();
}

// Copies a number that may be missing.
absl::Status FetchMaybe(const Features& features, absl::string_view name, int64_t& out) {
  return Has(features, name) ? FetchOne<Int64List>(features, name, out) : absl::OkStatus();
}

// The file's name, or else the picture's number in the set that it comes from.
absl::Status FetchId(const Features& features, std::string& id) {
  for (const absl::string_view name : {"image/filename", "image/source_id"}) {
    BytesList values;
    TY_RETURN_IF_ERROR(Fetch(features, name, false, values));
    if (values.empty() || values[0].empty()) continue;
    id = std::string(values[0]);
    const size_t dot = id.rfind('.');
    if (dot != std::string::npos && dot > 0 && id.find('/', dot) == std::string::npos) id.resize(dot);
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

constexpr absl::string_view kTexts = "image/object/class/text", kLabels = "image/object/class/label",
                            kLeft = "image/object/bbox/xmin";

absl::Status FetchClassNames(const Features& features, size_t objects, DetectionExample& example) {
  BytesList texts;
  Int64List labels;
  TY_RETURN_IF_ERROR(Fetch(features, kTexts, false, texts));
  TY_RETURN_IF_ERROR(Fetch(features, kLabels, false, labels));
  if (texts.empty() && labels.empty() && objects > 0) {
    return absl::DataLossError(absl::StrCat("feature '", kTexts, "' is missing, and '", kLabels,
                                            "' too: its objects have no class"));
  }
  TY_RETURN_IF_ERROR(CheckLength(kTexts, texts.size(), labels.empty(), kLeft, objects));
  TY_RETURN_IF_ERROR(CheckLength(kLabels, labels.size(), texts.empty(), kLeft, objects));
  example.class_names = std::vector<std::string>(texts.begin(), texts.end());
  if (!texts.empty()) return absl::OkStatus();
  for (const int64_t label : labels) example.class_names.push_back(absl::StrCat(label));
  return absl::OkStatus();
}

absl::Status DecodeObjectDetection(const Features& features, DetectionExample& example) {
  TY_RETURN_IF_ERROR(FetchOne<BytesList>(features, "image/encoded", example.encoded));
  TY_RETURN_IF_ERROR(FetchMaybe(features, "image/height", example.height));
  TY_RETURN_IF_ERROR(FetchMaybe(features, "image/width", example.width));
  if (example.height != 0 || example.width != 0) TY_RETURN_IF_ERROR(CheckSize(example));
  TY_RETURN_IF_ERROR(FetchId(features, example.id));
  const std::pair<absl::string_view, FloatList*> corners[] = {
      {kLeft, &example.x1},
      {"image/object/bbox/ymin", &example.y1},
      {"image/object/bbox/xmax", &example.x2},
      {"image/object/bbox/ymax", &example.y2}};
  for (const auto& [name, list] : corners) {
    TY_RETURN_IF_ERROR(Fetch(features, name, true, *list));
    TY_RETURN_IF_ERROR(CheckLength(name, list->size(), true, kLeft, example.x1.size()));
    TY_RETURN_IF_ERROR(CheckFinite(name, *list));
  }
  const size_t objects = example.x1.size();
  TY_RETURN_IF_ERROR(FetchClassNames(features, objects, example));
  for (const absl::string_view name : {"image/object/difficult", "image/object/is_crowd"}) {
    Int64List marks;
    TY_RETURN_IF_ERROR(Fetch(features, name, false, marks));
    TY_RETURN_IF_ERROR(CheckLength(name, marks.size(), false, kLeft, objects));
    example.occlusion.resize(objects);
    for (size_t i = 0; i < marks.size(); ++i) {
      if (marks[i] != 0) example.occlusion[i] = 1;
    }
  }
  Int64List truncated;
  TY_RETURN_IF_ERROR(Fetch(features, "image/object/truncated", false, truncated));
  TY_RETURN_IF_ERROR(
      CheckLength("image/object/truncated", truncated.size(), false, kLeft, objects));
  for (const int64_t value : truncated) example.truncation.push_back(static_cast<float>(value));
  return absl::OkStatus();
}

}  // namespace

absl::string_view NameOf(RecordForm form) {
  switch (form) {
    case RecordForm::kTao:
      return "a record of TAO's converter with its picture";
    case RecordForm::kDetectNet:
      return "a record of TAO's DetectNet_v2 converter";
    case RecordForm::kObjectDetection:
      return "a record of TensorFlow's Object Detection API";
  }
  return "a record";
}

std::string EncodeExample(const DetectionExample& example) {
  Features features = {
      {"frame/id", BytesList{example.id}},
      {"frame/height", Int64List{example.height}},
      {"frame/width", Int64List{example.width}},
      {std::string(kPicture), BytesList{example.encoded}},
      {"target/occlusion", example.occlusion},
  };
  for (const FloatFeature& feature : kFloatFeatures) {
    features[std::string(feature.name)] = example.*feature.list;
  }
  return internal::EncodeFeatures(features);
}

absl::StatusOr<DetectionExample> DecodeExample(absl::string_view bytes) {
  TY_ASSIGN_OR_RETURN(const Features features, internal::ReadFeatures(bytes));
  DetectionExample example;
  TY_ASSIGN_OR_RETURN(example.form, FormOf(features));
  TY_RETURN_IF_ERROR(example.form == RecordForm::kObjectDetection
                         ? DecodeObjectDetection(features, example)
                         : DecodeTao(features, example));
  return example;
}

}  // namespace trainyard::data
