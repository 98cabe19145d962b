#include "libs/sealing/internal/sections.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/sealing/internal/bytes.h"
#include "libs/sealing/internal/crypto.h"

namespace trainyard::sealing {
namespace {

constexpr size_t kMaxSections = 4096;
constexpr size_t kMaxName = 255;

struct Row {
  std::string name;
  uint64_t size = 0;
  absl::string_view digest;
};

absl::StatusOr<std::vector<Row>> DecodeTable(ByteReader& reader) {
  const uint32_t count = reader.U32();
  if (count > kMaxSections) {
    return absl::DataLossError(
        absl::StrCat("its table has ", count, " sections; expected at most ", kMaxSections));
  }
  std::vector<Row> rows(count);
  for (Row& row : rows) {
    row.name = std::string(reader.Raw(reader.U16()));
    row.size = reader.U64();
    row.digest = reader.Raw(32);
  }
  if (!reader.ok()) return absl::DataLossError("its section table is longer than its content");
  return rows;
}

}  // namespace

absl::Status CheckSections(const Sections& sections) {
  Problems problems;
  if (sections.size() > kMaxSections) {
    problems.Add("sections", "are %d; expected at most %d", sections.size(), kMaxSections);
  }
  for (const auto& [name, content] : sections) {
    if (name.empty() || name.size() > kMaxName) {
      problems.Add("section name", "has %d bytes; expected 1 to %d", name.size(), kMaxName);
    }
  }
  return problems.ToStatus();
}

std::string EncodeTable(const Sections& sections) {
  ByteWriter writer;
  writer.U32(static_cast<uint32_t>(sections.size()));
  for (const auto& [name, content] : sections) {
    writer.U16(static_cast<uint16_t>(name.size()));
    writer.Raw(name);
    writer.U64(content.size());
    writer.Raw(Sha256Raw(content));
  }
  return writer.Take();
}

absl::StatusOr<Sections> DecodeSections(absl::string_view plaintext) {
  ByteReader reader(plaintext);
  auto rows = DecodeTable(reader);
  if (!rows.ok()) return rows.status();
  Sections sections;
  for (const Row& row : *rows) {
    if (row.size > reader.left()) {
      return absl::DataLossError(absl::StrCat("section '", row.name, "' has ", row.size,
                                              " bytes in the table; ", reader.left(),
                                              " are left in the file"));
    }
    const absl::string_view content = reader.Raw(row.size);
    if (Sha256Raw(content) != row.digest) {
      return absl::DataLossError(
          absl::StrCat("section '", row.name, "' does not have the SHA-256 of the table"));
    }
    if (!sections.emplace(row.name, content).second) {
      return absl::DataLossError(absl::StrCat("section '", row.name, "' is there twice"));
    }
  }
  if (reader.left() != 0) {
    return absl::DataLossError(absl::StrCat(reader.left(), " bytes belong to no section"));
  }
  return sections;
}

}  // namespace trainyard::sealing
