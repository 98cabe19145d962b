// Hugging Face's safetensors: the length of a header as u64, the header as JSON with type, shape
// and place of each tensor, and the tensors one behind the other without holes.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/weights/internal/formats.h"
#include "libs/weights/internal/tensor_collector.h"

namespace trainyard::weights {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr size_t kLengthBytes = sizeof(uint64_t);
/// A tensor has about a hundred bytes of it; parsed it takes some ten times as much.
constexpr uint64_t kMostHeader = 16 << 20;
/// JSON's numbers are doubles: integers are exact up to here.
constexpr double kMostInteger = 9007199254740992.0;
constexpr absl::string_view kMetadata = "__metadata__";

uint64_t HeaderLength(absl::string_view bytes) {
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  return length;
}

absl::StatusOr<ElementType> TypeOf(absl::string_view name) {
  static const auto& types = *new std::map<absl::string_view, ElementType>{
      {"F32", {"f32", 4, Encoding::kFloat32}},    {"F16", {"f16", 2, Encoding::kFloat16}},
      {"BF16", {"bf16", 2, Encoding::kBFloat16}}, {"F64", {"f64", 8, Encoding::kFloat64}},
      {"I64", {"i64", 8, Encoding::kNotFloat}},   {"I32", {"i32", 4, Encoding::kNotFloat}},
      {"I16", {"i16", 2, Encoding::kNotFloat}},   {"I8", {"i8", 1, Encoding::kNotFloat}},
      {"U64", {"u64", 8, Encoding::kNotFloat}},   {"U32", {"u32", 4, Encoding::kNotFloat}},
      {"U16", {"u16", 2, Encoding::kNotFloat}},   {"U8", {"u8", 1, Encoding::kNotFloat}},
      {"BOOL", {"bool", 1, Encoding::kNotFloat}},
  };
  const auto found = types.find(name);
  if (found != types.end()) return found->second;
  return absl::UnimplementedError(absl::StrCat(
      "has type '", Shown(name), "', which is not read; save it as F32, F16, BF16 or F64"));
}

/// The integers of a list; kInvalidArgument for anything else.
absl::StatusOr<std::vector<int64_t>> Integers(const Struct& entry, const std::string& field) {
  const auto found = entry.fields().find(field);
  if (found == entry.fields().end() || !found->second.has_list_value()) {
    return absl::InvalidArgumentError(absl::StrCat("has no list '", field, "'"));
  }
  std::vector<int64_t> integers;
  for (const Value& value : found->second.list_value().values()) {
    const double number = value.has_number_value() ? value.number_value() : -1;
    if (!(number >= 0 && number <= kMostInteger) || number != std::floor(number)) {
      return absl::InvalidArgumentError(
          absl::StrCat("has in '", field, "' what is no whole number from 0 to 2^53"));
    }
    integers.push_back(static_cast<int64_t>(number));
  }
  return integers;
}

/// A tensor of the header.
struct Entry {
  std::string name;
  ElementType type;
  Shape shape;
  uint64_t begin = 0, end = 0;
};

absl::StatusOr<Entry> EntryOf(const std::string& name, const Value& value, size_t data_bytes) {
  if (!value.has_struct_value()) return absl::InvalidArgumentError("is no object in the header");
  const Struct& object = value.struct_value();
  const auto type = object.fields().find("dtype");
  if (type == object.fields().end()) return absl::InvalidArgumentError("has no 'dtype'");
  Entry entry{.name = name};
  TY_ASSIGN_OR_RETURN(entry.type, TypeOf(type->second.string_value()));
  TY_ASSIGN_OR_RETURN(entry.shape, Integers(object, "shape"));
  TY_ASSIGN_OR_RETURN(const std::vector<int64_t> place, Integers(object, "data_offsets"));
  if (place.size() != 2 || place[0] > place[1] || static_cast<uint64_t>(place[1]) > data_bytes) {
    return absl::DataLossError(absl::StrFormat(
        "lies at bytes %s of %d; the file is damaged or cut short", ShapeText(place), data_bytes));
  }
  entry.begin = static_cast<uint64_t>(place[0]);
  entry.end = static_cast<uint64_t>(place[1]);
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementCount(entry.shape));
  const uint64_t bytes = entry.end - entry.begin, size = static_cast<uint64_t>(entry.type.bytes);
  // Divided, not multiplied: the shape comes from the file.
  if (bytes % size != 0 || bytes / size != static_cast<uint64_t>(count)) {
    return absl::DataLossError(
        absl::StrFormat("has %d bytes; expected %d elements of %s", bytes, count, entry.type.name));
  }
  return entry;
}

/// By place; each begins where the one before ends, and the last ends with the file.
absl::Status CheckPlaces(std::vector<Entry>& entries, size_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      return absl::DataLossError(
          absl::StrFormat("tensor '%s' begins at byte %d; the one before ends at %d",
                          Shown(entry.name), entry.begin, end));
    }
    end = entry.end;
  }
  if (end == data_bytes) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrFormat("its tensors have %d bytes; %d lie behind the header", end, data_bytes));
}

absl::StatusOr<std::vector<Entry>> ParseHeader(absl::string_view json, size_t data_bytes) {
  Struct header;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &header);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("its header is no JSON: ", Shown(std::string(status.message()), 200)));
  }
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.fields()) {
    if (name == kMetadata) continue;
    auto entry = EntryOf(name, value, data_bytes);
    if (!entry.ok()) return Annotate(entry.status(), absl::StrCat("tensor '", Shown(name), "'"));
    entries.push_back(*std::move(entry));
  }
  TY_RETURN_IF_ERROR(CheckPlaces(entries, data_bytes));
  return entries;
}

}  // namespace

bool LooksSafetensors(absl::string_view bytes) {
  // JSON may begin with blanks, but the format says that a header does not.
  return bytes.size() > kLengthBytes && bytes[kLengthBytes] == '{' &&
         HeaderLength(bytes) < uint64_t{1} << 40;
}

absl::StatusOr<NamedWeights> ParseSafetensors(absl::string_view bytes) {
  const uint64_t length = HeaderLength(bytes);
  if (length > kMostHeader) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("its header has %d bytes; at most %d are read", length, kMostHeader));
  }
  if (length > bytes.size() - kLengthBytes) {
    return absl::DataLossError(
        absl::StrFormat("its header has %d bytes, of which %d are there; the file is cut short",
                        length, bytes.size() - kLengthBytes));
  }
  const absl::string_view data = bytes.substr(kLengthBytes + length);
  TY_ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                      ParseHeader(bytes.substr(kLengthBytes, length), data.size()));
  TensorCollector collector(static_cast<int64_t>(bytes.size()));
  for (const Entry& entry : entries) {
    const absl::string_view storage = data.substr(entry.begin, entry.end - entry.begin);
    const auto view = DenseView(entry.type, storage, entry.shape);
    if (!view.ok()) {
      return Annotate(view.status(), absl::StrCat("tensor '", Shown(entry.name), "'"));
    }
    TY_RETURN_IF_ERROR(collector.Add(entry.name, *view));
  }
  return std::move(collector).Finish("safetensors");
}

}  // namespace trainyard::weights
