#include "libs/sealing/internal/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace trainyard::sealing {
namespace {

constexpr size_t kMastersKept = 16;

const uint8_t* Bytes(absl::string_view view) {
  return reinterpret_cast<const uint8_t*>(view.data());
}

// OpenSSL's calls give 1 on success.
void Require(int result, const char* what) {
  if (result == 1) return;
  std::fprintf(stderr, "OpenSSL failed in %s\n", what);
  std::abort();
}

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

// 7 zero bytes, the chunk's number (big-endian), 1 for the last chunk: the STREAM construction. The
// prefix need not vary, because the file key does.
std::array<uint8_t, 12> Nonce(uint32_t index, bool final) {
  std::array<uint8_t, 12> nonce{};
  for (int i = 0; i < 4; ++i) nonce[7 + i] = static_cast<uint8_t>(index >> (24 - 8 * i));
  nonce[11] = final;
  return nonce;
}

Secret Pbkdf2(absl::string_view key, const Bytes16& salt, uint32_t iterations) {
  Secret master;
  Require(PKCS5_PBKDF2_HMAC(key.data(), static_cast<int>(key.size()), salt.data(),
                            static_cast<int>(salt.size()), static_cast<int>(iterations),
                            EVP_sha256(), 32, master.data()),
          "PBKDF2");
  return master;
}

}  // namespace

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

std::string Sha256Raw(absl::string_view bytes) {
  std::string digest(32, '\0');
  Require(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<uint8_t*>(digest.data()), nullptr,
                     EVP_sha256(), nullptr),
          "SHA-256");
  return digest;
}

Secret DeriveMaster(absl::string_view key, const Bytes16& salt, uint32_t iterations) {
  // The key itself is not kept: its digest finds the result again.
  using Entry = std::tuple<std::string, Bytes16, uint32_t>;
  static std::mutex mutex;
  static auto* masters = new std::map<Entry, Secret>();
  const Entry entry{Sha256Raw(key), salt, iterations};
  {
    const std::lock_guard lock(mutex);
    const auto found = masters->find(entry);
    if (found != masters->end()) return found->second;
  }
  // Without the lock: others, whose keys are known, need not wait for this one.
  const Secret master = Pbkdf2(key, salt, iterations);
  const std::lock_guard lock(mutex);
  if (masters->size() >= kMastersKept) masters->clear();
  masters->emplace(entry, master);
  return master;
}

Secret Derive(const Secret& secret, absl::string_view label, absl::string_view data) {
  const std::string message = absl::StrCat(label, absl::string_view("\0", 1), data);
  Secret derived;
  unsigned int size = 0;
  const bool ok = HMAC(EVP_sha256(), secret.view().data(), 32, Bytes(message), message.size(),
                       derived.data(), &size) != nullptr;
  Require(ok && size == 32, "HMAC");
  return derived;
}

Bytes16 Derive16(const Secret& secret, absl::string_view label, absl::string_view data) {
  const Secret derived = Derive(secret, label, data);
  Bytes16 result;
  std::memcpy(result.data(), derived.view().data(), result.size());
  return result;
}

std::string SealChunk(const Secret& file_key, uint32_t index, bool final,
                      absl::string_view associated, absl::string_view plaintext) {
  const CipherContext context(EVP_CIPHER_CTX_new());
  const auto nonce = Nonce(index, final);
  std::string sealed(plaintext.size() + kTagSize, '\0');
  auto* out = reinterpret_cast<uint8_t*>(sealed.data());
  int size = 0;
  Require(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(file_key.view()),
                             nonce.data()),
          "AES-GCM");
  Require(EVP_EncryptUpdate(context.get(), nullptr, &size, Bytes(associated),
                            static_cast<int>(associated.size())),
          "AES-GCM");
  Require(EVP_EncryptUpdate(context.get(), out, &size, Bytes(plaintext),
                            static_cast<int>(plaintext.size())),
          "AES-GCM");
  Require(EVP_EncryptFinal_ex(context.get(), out + plaintext.size(), &size), "AES-GCM");
  Require(
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, out + plaintext.size()),
      "AES-GCM");
  return sealed;
}

bool OpenChunk(const Secret& file_key, uint32_t index, bool final, absl::string_view associated,
               absl::string_view sealed, char* plaintext) {
  if (sealed.size() < static_cast<size_t>(kTagSize)) return false;
  const absl::string_view body = sealed.substr(0, sealed.size() - kTagSize);
  std::string tag(sealed.substr(body.size()));
  const CipherContext context(EVP_CIPHER_CTX_new());
  const auto nonce = Nonce(index, final);
  auto* out = reinterpret_cast<uint8_t*>(plaintext);
  int size = 0;
  Require(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(file_key.view()),
                             nonce.data()),
          "AES-GCM");
  Require(EVP_DecryptUpdate(context.get(), nullptr, &size, Bytes(associated),
                            static_cast<int>(associated.size())),
          "AES-GCM");
  Require(EVP_DecryptUpdate(context.get(), out, &size, Bytes(body), static_cast<int>(body.size())),
          "AES-GCM");
  Require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()),
          "AES-GCM");
  return EVP_DecryptFinal_ex(context.get(), out + body.size(), &size) == 1;
}

}  // namespace trainyard::sealing
