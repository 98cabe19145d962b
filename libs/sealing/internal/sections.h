#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sealing/model_file.h"

namespace trainyard::sealing {

/// kInvalidArgument, all problems at once, when a name is empty or longer than 255 bytes, or there
/// are more than 4096 sections.
absl::Status CheckSections(const Sections& sections);

/// The table of `sections` in the order of their names: count, then name, size and SHA-256 of each.
std::string EncodeTable(const Sections& sections);

/// Takes a plaintext apart: the table, then the bytes of every section. kDataLoss, naming the
/// section, for sizes that do not add up or a digest that differs.
absl::StatusOr<Sections> DecodeSections(absl::string_view plaintext);

}  // namespace trainyard::sealing
