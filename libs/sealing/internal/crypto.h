#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/sealing/internal/header.h"

/// OpenSSL's part of sealing. All functions are thread-safe; a failure of OpenSSL itself (no
/// memory, no such algorithm) aborts, as nothing could be sealed then.
namespace trainyard::sealing {

/// 32 secret bytes, wiped when they go.
class Secret {
 public:
  Secret() = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();
  uint8_t* data() { return bytes_.data(); }
  absl::string_view view() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::array<uint8_t, 32> bytes_{};
};

/// PBKDF2-HMAC-SHA256, 32 bytes. The last few results are kept in memory, so that a process pays
/// once a key (twice when two threads begin together: nobody waits for another's derivation).
Secret DeriveMaster(absl::string_view key, const Bytes16& salt, uint32_t iterations);

/// HMAC-SHA256(secret, label, 0, data): all keys and values below the master are made by this.
Secret Derive(const Secret& secret, absl::string_view label, absl::string_view data);

/// The first 16 bytes of Derive.
Bytes16 Derive16(const Secret& secret, absl::string_view label, absl::string_view data);

/// SHA-256, 32 raw bytes.
std::string Sha256Raw(absl::string_view bytes);

/// AES-256-GCM of chunk `index` under `file_key`; the nonce holds index and `final`. Returns the
/// ciphertext and its tag. `associated` is authenticated beside it.
std::string SealChunk(const Secret& file_key, uint32_t index, bool final,
                      absl::string_view associated, absl::string_view plaintext);

/// Opens what SealChunk made, into `plaintext` (sealed.size() - kTagSize bytes). False when it is
/// not authentic; `plaintext` is then undefined.
bool OpenChunk(const Secret& file_key, uint32_t index, bool final, absl::string_view associated,
               absl::string_view sealed, char* plaintext);

}  // namespace trainyard::sealing
