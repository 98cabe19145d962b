#include "services/orchestrator/uuid.h"

#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "openssl/evp.h"

namespace trainyard::orchestrator {
namespace {

// Drawn once at random; changing it would make restarted runs forget their operations.
constexpr absl::string_view kNamespace = "6f0c7a52-3d1b-5b5e-9a41-27d1c0f4e8b3";

}  // namespace

std::string Uuid5(absl::string_view name_space, absl::string_view name) {
  std::string bytes = absl::HexStringToBytes(absl::StrReplaceAll(name_space, {{"-", ""}}));
  if (bytes.size() != 16) std::abort();
  absl::StrAppend(&bytes, name);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha1(), nullptr) != 1) std::abort();
  digest[6] = (digest[6] & 0x0f) | 0x50;  // version 5
  digest[8] = (digest[8] & 0x3f) | 0x80;  // the variant of RFC 4122
  const std::string hex =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), 16));
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

std::string StageRequestId(absl::string_view run, absl::string_view stage, int attempt) {
  return Uuid5(kNamespace, absl::StrCat(run, "/", stage, "/", attempt));
}

}  // namespace trainyard::orchestrator
