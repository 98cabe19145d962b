#include "libs/data/tfrecord/features.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace trainyard::data::internal {
namespace {

// The wire format of protocol buffers, as far as three nested messages need it:
//   Example { Features features = 1 }   Features { map<string, Feature> feature = 1 }
//   Feature { oneof: BytesList = 1, FloatList = 2, Int64List = 3 }, each { repeated value = 1 }
constexpr uint32_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

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

std::string Feature(const BytesList& values) {
  std::string list;
  for (const absl::string_view value : values) PutField(list, 1, value);
  return Message(1, list);
}

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

bool ReadFeature(absl::string_view bytes, FeatureValue& value) {
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

}  // namespace

std::string EncodeFeatures(const Features& features) {
  std::string body;
  for (const auto& [name, value] : features) {
    const std::string feature = std::visit([](const auto& list) { return Feature(list); }, value);
    PutField(body, 1, absl::StrCat(Message(1, name), Message(2, feature)));
  }
  return Message(1, body);
}

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
      FeatureValue value;
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

}  // namespace trainyard::data::internal
