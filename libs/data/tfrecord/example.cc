#include "libs/data/tfrecord/example.h"

#include <cmath>
#include <cstring>
#include <map>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"

namespace trainyard {
namespace {

// The wire format of protocol buffers, as far as three nested messages need it:
//   Example { Features features = 1 }   Features { map<string, Feature> feature = 1 }
//   Feature { oneof: BytesList = 1, FloatList = 2, Int64List = 3 }, each { repeated value = 1 }
constexpr uint32_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

using BytesList = std::vector<absl::string_view>;
using FloatList = std::vector<float>;
using Int64List = std::vector<int64_t>;

void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void PutField(std::string& out, uint32_t number, absl::string_view bytes) {
  PutVarint(out, number << 3 | kBytes);
  PutVarint(out, bytes.size());
  absl::StrAppend(&out, bytes);
}

std::string Message(uint32_t number, absl::string_view bytes) {
  std::string out;
  PutField(out, number, bytes);
  return out;
}

std::string Feature(absl::string_view value) { return Message(1, Message(1, value)); }

std::string Feature(const FloatList& values) {
  if (values.empty()) return Message(2, "");
  const absl::string_view raw(reinterpret_cast<const char*>(values.data()),
                              values.size() * sizeof(float));  // Little-endian, as the wire.
  return Message(2, Message(1, raw));
}

std::string Feature(const Int64List& values) {
  if (values.empty()) return Message(3, "");
  std::string packed;
  for (const int64_t value : values) PutVarint(packed, static_cast<uint64_t>(value));
  return Message(3, Message(1, packed));
}

// One field of a message.
struct Field {
  uint32_t number = 0;
  uint32_t wire = 0;
  uint64_t varint = 0;
  absl::string_view bytes;  // Also the 4 or 8 bytes of fixed-width fields.
};

// Walks the fields of a message; a malformed one ends the walk with ok() false.
class Cursor {
 public:
  explicit Cursor(absl::string_view bytes) : rest_(bytes) {}

  bool Next(Field& field) {
    if (rest_.empty() || !ok_) return false;
    uint64_t tag = 0;
    ok_ = Varint(tag) && tag >> 3 != 0 && tag >> 32 == 0;
    if (!ok_) return false;
    field.number = static_cast<uint32_t>(tag >> 3);
    field.wire = static_cast<uint32_t>(tag & 7);
    uint64_t length = 0;
    switch (field.wire) {
      case kVarint:
        return ok_ = Varint(field.varint);
      case kBytes:
        return ok_ = Varint(length) && Take(length, field.bytes);
      case kFixed32:
        return ok_ = Take(4, field.bytes);
      case kFixed64:
        return ok_ = Take(8, field.bytes);
      default:
        return ok_ = false;
    }
  }

  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }

 private:
  bool Take(uint64_t length, absl::string_view& out) {
    if (length > rest_.size()) return false;
    out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return true;
  }

  absl::string_view rest_;
  bool ok_ = true;
};

// The three kinds of Feature, in the order of their field numbers less one.
using Value = std::variant<BytesList, FloatList, Int64List>;
constexpr absl::string_view kKindNames[] = {"bytes", "float", "int64"};

bool ReadFloats(const Field& field, FloatList& out) {
  const bool is_fixed = field.wire == kFixed32 || field.wire == kBytes;
  if (!is_fixed || field.bytes.size() % sizeof(float) != 0) return false;
  const size_t old = out.size();
  out.resize(old + field.bytes.size() / sizeof(float));
  if (!field.bytes.empty()) memcpy(out.data() + old, field.bytes.data(), field.bytes.size());
  return true;
}

bool ReadInts(const Field& field, Int64List& out) {
  if (field.wire == kVarint) {
    out.push_back(static_cast<int64_t>(field.varint));
    return true;
  }
  if (field.wire != kBytes) return false;
  Cursor packed(field.bytes);
  while (!packed.done()) {
    uint64_t value;
    if (!packed.Varint(value)) return false;
    out.push_back(static_cast<int64_t>(value));
  }
  return true;
}

bool ReadFeature(absl::string_view bytes, Value& value) {
  Cursor feature(bytes);
  Field kind;
  while (feature.Next(kind)) {
    if (kind.number < 1 || kind.number > 3) continue;
    if (kind.wire != kBytes) return false;
    if (kind.number == 1) value = BytesList();
    if (kind.number == 2) value = FloatList();
    if (kind.number == 3) value = Int64List();
    Cursor list(kind.bytes);
    Field element;
    while (list.Next(element)) {
      if (element.number != 1) continue;
      bool fine = true;
      if (auto* strings = std::get_if<BytesList>(&value)) {
        fine = element.wire == kBytes;
        strings->push_back(element.bytes);
      } else if (auto* floats = std::get_if<FloatList>(&value)) {
        fine = ReadFloats(element, *floats);
      } else {
        fine = ReadInts(element, std::get<Int64List>(value));
      }
      if (!fine) return false;
    }
    if (!list.ok()) return false;
  }
  return feature.ok();
}

using Features = std::map<std::string, Value, std::less<>>;

absl::StatusOr<Features> ReadFeatures(absl::string_view bytes) {
  const absl::Status malformed = absl::DataLossError("the record is no tf.train.Example");
  Features features;
  Cursor example(bytes);
  Field outer, entry, part;
  while (example.Next(outer)) {
    if (outer.number != 1) continue;
    if (outer.wire != kBytes) return malformed;
    Cursor map(outer.bytes);
    while (map.Next(entry)) {
      if (entry.number != 1) continue;
      if (entry.wire != kBytes) return malformed;
      Cursor pair(entry.bytes);
      absl::string_view key, content;
      while (pair.Next(part)) {
        if (part.wire != kBytes) return malformed;
        if (part.number == 1) key = part.bytes;
        if (part.number == 2) content = part.bytes;
      }
      Value value;
      if (!pair.ok() || !ReadFeature(content, value)) {
        return absl::DataLossError(absl::StrCat("feature '", key, "' is malformed"));
      }
      features[std::string(key)] = std::move(value);
    }
    if (!map.ok()) return malformed;
  }
  if (!example.ok()) return malformed;
  return features;
}

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
                                             kKindNames[it->second.index()],
                                             kKindNames[Value(List()).index()]));
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

// The float lists by their names; the first five are those that a detector needs.
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

// Records of other tools, which have names of their own for the same things.
absl::Status RefuseOtherForms(const Features& features) {
  if (features.count("frame/id") > 0) {
    if (features.count("frame/encoded") > 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "the record has no picture (frame/encoded): it was made for DetectNet_v2; convert the labels "
        "again with dataset_convert");
  }
  if (features.count("image/object/bbox/xmin") > 0) {
    return absl::InvalidArgumentError(
        "the record is one of TensorFlow's Object Detection API (image/encoded, image/object/bbox), "
        "not one of TAO's converter (frame/encoded, target/coordinates_x1); convert the labels that "
        "it was made of with dataset_convert, or train from folders");
  }
  if (features.count("image/encoded") > 0) {
    return absl::InvalidArgumentError(
        "the record has a picture (image/encoded) but no boxes of TAO's converter "
        "(target/coordinates_x1): it seems to be one for classification");
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : features) names.push_back(Shown(name));
  return absl::DataLossError(
      absl::StrCat("the record is none of TAO's converter: feature 'frame/id' is missing; it has ",
                   names.empty() ? "none" : SomeOf(names, 8)));
}

// One value an object in each list; those that a detector does not need may be absent.
absl::Status CheckLength(absl::string_view name, size_t length, bool needed, size_t objects) {
  if (length == objects || (length == 0 && !needed)) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat("feature '%s' has %d values, '%s' has %d", name,
                                             length, kFloatFeatures[0].name, objects));
}

absl::Status CheckLists(const DetectionExample& example) {
  const size_t objects = example.class_ids.size();
  for (size_t i = 0; i < std::size(kFloatFeatures); ++i) {
    const auto& [name, member] = kFloatFeatures[i];
    const FloatList& list = example.*member;
    TY_RETURN_IF_ERROR(CheckLength(name, list.size(), i < kNeeded, objects));
    if (i >= kNeeded) continue;
    for (const float value : list) {
      if (!std::isfinite(value)) {
        return absl::DataLossError(absl::StrFormat("feature '%s' holds %g", name, value));
      }
    }
  }
  return CheckLength("target/occlusion", example.occlusion.size(), false, objects);
}

}  // namespace

std::string EncodeExample(const DetectionExample& example) {
  std::map<absl::string_view, std::string> features = {
      {"frame/id", Feature(absl::string_view(example.id))},
      {"frame/height", Feature(Int64List{example.height})},
      {"frame/width", Feature(Int64List{example.width})},
      {"frame/encoded", Feature(absl::string_view(example.encoded))},
      {"target/occlusion", Feature(example.occlusion)},
  };
  for (const FloatFeature& feature : kFloatFeatures) {
    features[feature.name] = Feature(example.*feature.list);
  }
  std::string body;
  for (const auto& [name, feature] : features) {
    PutField(body, 1, absl::StrCat(Message(1, name), Message(2, feature)));
  }
  return Message(1, body);
}

absl::StatusOr<DetectionExample> DecodeExample(absl::string_view bytes) {
  TY_ASSIGN_OR_RETURN(const Features features, ReadFeatures(bytes));
  TY_RETURN_IF_ERROR(RefuseOtherForms(features));
  DetectionExample example;
  TY_RETURN_IF_ERROR(FetchOne<BytesList>(features, "frame/id", example.id));
  TY_RETURN_IF_ERROR(FetchOne<BytesList>(features, "frame/encoded", example.encoded));
  TY_RETURN_IF_ERROR(FetchOne<Int64List>(features, "frame/height", example.height));
  TY_RETURN_IF_ERROR(FetchOne<Int64List>(features, "frame/width", example.width));
  TY_RETURN_IF_ERROR(Fetch(features, "target/occlusion", false, example.occlusion));
  for (size_t i = 0; i < std::size(kFloatFeatures); ++i) {
    TY_RETURN_IF_ERROR(
        Fetch(features, kFloatFeatures[i].name, i < kNeeded, example.*kFloatFeatures[i].list));
  }
  TY_RETURN_IF_ERROR(CheckLists(example));
  if (example.width < 1 || example.height < 1) {
    return absl::DataLossError(
        absl::StrFormat("the image claims to be %d x %d", example.width, example.height));
  }
  return example;
}

}  // namespace trainyard
