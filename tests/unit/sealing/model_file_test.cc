#include "libs/sealing/model_file.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "tests/support/places.h"
#include "tests/support/sealing_folder.h"
#include "tests/support/status_matchers.h"

namespace trainyard::sealing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::StatusIs;
using testing::TestFolder;

constexpr auto kCheckpoint = SealedKind::kCheckpoint;
constexpr auto kExport = SealedKind::kExport;

std::string Bytes(const std::string& path) { return ReadFile(path).value(); }
void Put(const std::string& path, absl::string_view bytes) {
  ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
}

Sections SmallSections() {
  return {{"record", "what it is"}, {"model.onnx", std::string("\0\x01\xff", 3)}, {"labels", ""}};
}

TEST(SealedFileTest, GivesBackEverySection) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a.tlt", kCheckpoint, SmallSections(), "key"), IsOk());
  EXPECT_THAT(LoadSealed(folder / "a.tlt", kCheckpoint, "key"), IsOkAndHolds(Eq(SmallSections())));
  EXPECT_THAT(PeekSealed(folder / "a.tlt"), IsOkAndHolds(kCheckpoint));
}

TEST(SealedFileTest, HoldsContentsOfSeveralChunksAndOfExactlyOne) {
  const TestFolder folder;
  // 4 + (2 + 1 + 8 + 32) bytes of table lie before the section.
  for (const size_t size : {(1u << 20) - 47, (1u << 20) - 46, 3'333'333u, 0u}) {
    std::string content(size, '\0');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 2654435761u >> 13);
    const Sections sections = {{"w", content}};
    ASSERT_THAT(SaveSealed(folder / "a.tlt", kCheckpoint, sections, "key"), IsOk());
    EXPECT_TRUE(LoadSealed(folder / "a.tlt", kCheckpoint, "key").value() == sections) << size;
  }
}

TEST(SealedFileTest, HoldsNoSectionAtAll) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a.tlt", kCheckpoint, {}, "key"), IsOk());
  EXPECT_THAT(LoadSealed(folder / "a.tlt", kCheckpoint, "key"), IsOkAndHolds(Eq(Sections{})));
}

TEST(SealedFileTest, EqualContentGivesEqualBytesAndOtherContentAnotherSalt) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, {{"w", "one"}}, "key"), IsOk());
  ASSERT_THAT(SaveSealed(folder / "b", kCheckpoint, {{"w", "one"}}, "key"), IsOk());
  ASSERT_THAT(SaveSealed(folder / "c", kCheckpoint, {{"w", "two"}}, "key"), IsOk());
  ASSERT_THAT(SaveSealed(folder / "d", kExport, {{"w", "one"}}, "key"), IsOk());
  const auto salt = [&](const char* name) { return Bytes(folder / name).substr(48, 16); };
  EXPECT_EQ(Bytes(folder / "a"), Bytes(folder / "b"));
  EXPECT_NE(salt("a"), salt("c"));
  EXPECT_NE(salt("a"), salt("d"));
}

TEST(SealedFileTest, DoesNotShowTheContent) {
  const TestFolder folder;
  const std::string secret = "weights-weights-weights-weights";
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, {{"secret-name", secret}}, "key"), IsOk());
  EXPECT_THAT(Bytes(folder / "a"), Not(AnyOf(HasSubstr("weights"), HasSubstr("secret-name"))));
}

TEST(SealedFileTest, AWrongKeyIsNotCalledDamage) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a.tlt", kCheckpoint, SmallSections(), "right"), IsOk());
  EXPECT_THAT(LoadSealed(folder / "a.tlt", kCheckpoint, "tlt_encode"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("a.tlt'"), HasSubstr("the key is wrong"),
                             Not(HasSubstr("tlt_encode")))));
  EXPECT_THAT(LoadSealed(folder / "a.tlt", kCheckpoint, ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("none was given")));
}

TEST(SealedFileTest, AnEmptyKeyIsAKeyOfItsOwnAndNeedsNoTime) {
  const TestFolder folder;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, SmallSections(), ""), IsOk());
  EXPECT_THAT(LoadSealed(folder / "a", kCheckpoint, ""), IsOkAndHolds(Eq(SmallSections())));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
  EXPECT_THAT(LoadSealed(folder / "a", kCheckpoint, "key"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sealed without a key")));
}

TEST(SealedFileTest, AnotherKindIsRefusedBeforeTheKeyIsAsked) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a.etlt", kExport, SmallSections(), "key"), IsOk());
  EXPECT_THAT(
      LoadSealed(folder / "a.etlt", kCheckpoint, "wrong"),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("is of kind export (.etlt)"),
                                                         HasSubstr("expected checkpoint (.tlt)"))));
  const auto file = OpenSealed(folder / "a.etlt", {kCheckpoint, kExport}, "key");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->kind, kExport);
  EXPECT_EQ(file->sections, SmallSections());
}

TEST(SealedFileTest, EveryTruncationIsDataLoss) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, SmallSections(), "key"), IsOk());
  const std::string whole = Bytes(folder / "a");
  for (size_t size = 0; size < whole.size(); ++size) {
    Put(folder / "cut", whole.substr(0, size));
    EXPECT_THAT(
        LoadSealed(folder / "cut", kCheckpoint, "key"),
        StatusIs(absl::StatusCode::kDataLoss,
                 AllOf(HasSubstr("cut'"), AnyOf(HasSubstr("cut short"), HasSubstr("is empty")))))
        << size;
  }
  Put(folder / "long", whole + "x");
  EXPECT_THAT(LoadSealed(folder / "long", kCheckpoint, "key"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("bytes after its end")));
}

TEST(SealedFileTest, EveryFlippedBitOfEveryByteIsDataLoss) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, SmallSections(), "key"), IsOk());
  const std::string whole = Bytes(folder / "a");
  for (size_t i = 0; i < 8 * whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    std::ofstream(folder / "bad", std::ios::binary) << flipped;
    EXPECT_THAT(LoadSealed(folder / "bad", kCheckpoint, "key"),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("damaged")))
        << "bit " << i % 8 << " of byte " << i / 8;
  }
}

// Chunks that are whole in themselves must not be accepted elsewhere.
TEST(SealedFileTest, SwappedChunksAreDataLossThatNamesTheFirst) {
  const TestFolder folder;
  const Sections sections = {{"w", std::string(3 << 20, 'w')}};
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, sections, "key"), IsOk());
  std::string bytes = Bytes(folder / "a");
  constexpr size_t kChunk = (1 << 20) + 16;
  std::swap_ranges(bytes.begin() + 96, bytes.begin() + 96 + kChunk, bytes.begin() + 96 + kChunk);
  Put(folder / "a", bytes);
  EXPECT_THAT(LoadSealed(folder / "a", kCheckpoint, "key"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("chunk 1 of 4, from byte 96")));
}

// Replaces a little-endian number of the header and makes its CRC right again.
std::string WithHeader(std::string bytes, size_t at, int size, uint64_t value) {
  for (int i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
  const uint32_t crc = Crc32c(bytes.substr(0, 92));
  for (int i = 0; i < 4; ++i) bytes[92 + i] = static_cast<char>(crc >> (8 * i));
  return bytes;
}

TEST(SealedFileTest, ANewerMajorVersionIsRefusedByNumber) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, SmallSections(), "key"), IsOk());
  Put(folder / "b", WithHeader(Bytes(folder / "a"), 8, 2, 2));
  EXPECT_THAT(LoadSealed(folder / "b", kCheckpoint, "key"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("format version 2.0"), HasSubstr("up to 1.x"))));
}

TEST(SealedFileTest, AForgedSizeIsRefusedBeforeAnythingIsAllocated) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, SmallSections(), "key"), IsOk());
  for (const uint64_t size : {uint64_t{1} << 62, ~uint64_t{0}, uint64_t{1} << 40}) {
    Put(folder / "b", WithHeader(Bytes(folder / "a"), 80, 8, size));
    EXPECT_THAT(LoadSealed(folder / "b", kCheckpoint, "key"),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("header tells of")));
  }
}

TEST(SealedFileTest, AFileCannotMakeALookAtItsKeyTakeLong) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, SmallSections(), "key"), IsOk());
  for (const uint64_t iterations : {620'001u, 10'000'000u, 0xffffffffu, 0u}) {
    Put(folder / "b", WithHeader(Bytes(folder / "a"), 24, 4, iterations));
    EXPECT_THAT(
        LoadSealed(folder / "b", kCheckpoint, "key"),
        StatusIs(absl::StatusCode::kDataLoss,
                 HasSubstr(absl::StrCat("iterations is ", iterations, "; expected 1 to 620000"))));
  }
}

// A header that somebody changed with a right CRC is caught by the authentication.
TEST(SealedFileTest, AForgedHeaderIsNotAuthentic) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kCheckpoint, SmallSections(), "key"), IsOk());
  Put(folder / "b", WithHeader(Bytes(folder / "a"), 16, 2, 2));  // kind: export
  EXPECT_THAT(LoadSealed(folder / "b", kExport, "key"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("chunk 1 of 1")));
}

TEST(SealedFileTest, FilesOfOthersAreNamed) {
  const TestFolder folder;
  std::string random(4096, '\0');
  for (size_t i = 0; i < random.size(); ++i) random[i] = Sha256Hex(absl::StrCat(i))[0] * 7 + i * 31;
  struct Case {
    std::string name, bytes, message;
  };
  const Case cases[] = {
      {"k.hdf5", "\x89HDF\r\n\x1a\n and more", "Keras HDF5"},
      {"n.etlt", std::string("\x05\0\0\0Input", 9) + random, "UFF inside, input 'Input'"},
      {"o.etlt", std::string("\0\0\0\0", 4) + random, "NVIDIA TAO (ONNX inside)"},
      {"r.tlt", "\xf7" + random, "has the shape of a .tlt of NVIDIA TAO"},
      {"z.tlt", "PK\x03\x04 and more", "zip archive"},
      {"p.onnx", "\x08\x08\x12\x07pytorch", "is a plain ONNX file"},
      {"t.tlt", "hello", "is no file of Trainyard: it begins with 68656c6c6f"},
  };
  for (const Case& one : cases) {
    Put(folder / one.name, one.bytes);
    EXPECT_THAT(LoadSealed(folder / one.name, kCheckpoint, "key"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(one.name), HasSubstr(one.message))));
  }
}

TEST(SealedFileTest, AnAbsentFileIsNotFoundAndAnAbsentFolderToo) {
  const TestFolder folder;
  EXPECT_THAT(LoadSealed(folder / "none", kCheckpoint, "k"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(SaveSealed(folder / "none/a.tlt", kCheckpoint, {}, "k"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none/a.tlt")));
  EXPECT_THAT(LoadSealed(folder.path(), kCheckpoint, "k"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a folder")));
  EXPECT_THAT(ListFolder(folder.path()), IsOkAndHolds(::testing::IsEmpty()));
}

TEST(SealedFileTest, ASectionNeedsAName) {
  const TestFolder folder;
  EXPECT_THAT(SaveSealed(folder / "a", kCheckpoint, {{"", "x"}}, "k"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("section name has 0 bytes")));
}

// A file that version 1.0 wrote, kept for good: every later version reads it, and while the version
// stays 1.0, equal content still gives these bytes.
TEST(SealedFileTest, ReadsAndRepeatsTheFileOfVersion10) {
  const TestFolder folder;
  const std::string golden = SourceDir() + "/tests/unit/sealing/golden/v1.0.etlt";
  const Sections sections = {{"record", "a record"}, {"model.onnx", "a graph"}};
  EXPECT_THAT(LoadSealed(golden, kExport, "golden key"), IsOkAndHolds(Eq(sections)));
  ASSERT_THAT(SaveSealed(folder / "again", kExport, sections, "golden key"), IsOk());
  EXPECT_EQ(Bytes(folder / "again"), Bytes(golden));
}

// Opens a file by docs/sealing.md with nothing but OpenSSL: an independent reader of the format.
std::string Hmac(const std::string& key, const std::string& label, const std::string& data) {
  const std::string message = label + std::string(1, '\0') + data;
  std::string out(32, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const uint8_t*>(message.data()), message.size(),
       reinterpret_cast<uint8_t*>(out.data()), &size);
  return out;
}

TEST(SealedFileTest, IsWhatTheDocumentSays) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", kExport, {{"w", "content"}}, "key"), IsOk());
  const std::string file = Bytes(folder / "a");
  EXPECT_EQ(absl::BytesToHexString(file.substr(0, 24)),
            "5452594152441a0a"
            "0100"
            "0000"
            "60000000"
            "0200"
            "0000"
            "0100"
            "0100");
  EXPECT_EQ(absl::BytesToHexString(file.substr(24, 8)),
            "f0ba0400"
            "00001000");
  const std::string salt = file.substr(32, 16);
  std::string master(32, '\0');
  PKCS5_PBKDF2_HMAC("key", 3, reinterpret_cast<const uint8_t*>(salt.data()), 16, 310000,
                    EVP_sha256(), 32, reinterpret_cast<uint8_t*>(master.data()));
  EXPECT_EQ(file.substr(64, 16), Hmac(master, "key check", "").substr(0, 16));
  const std::string file_key = Hmac(master, "file key", file.substr(48, 16));
  const uint8_t nonce[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nullptr,
                     reinterpret_cast<const uint8_t*>(file_key.data()), nonce);
  int size = 0;
  EVP_DecryptUpdate(context, nullptr, &size, reinterpret_cast<const uint8_t*>(file.data()), 96);
  const std::string body = file.substr(96, file.size() - 96 - 16);
  std::string plaintext(body.size(), '\0');
  EVP_DecryptUpdate(context, reinterpret_cast<uint8_t*>(plaintext.data()), &size,
                    reinterpret_cast<const uint8_t*>(body.data()), static_cast<int>(body.size()));
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, 16,
                      const_cast<char*>(file.data()) + file.size() - 16);
  uint8_t rest[16];
  EXPECT_EQ(EVP_DecryptFinal_ex(context, rest, &size), 1);
  EVP_CIPHER_CTX_free(context);
  EXPECT_EQ(plaintext, std::string("\x01\0\0\0"
                                   "\x01\0"
                                   "w"
                                   "\x07\0\0\0\0\0\0\0",
                                   15) +
                           absl::HexStringToBytes(Sha256Hex("content")) + "content");
}

}  // namespace
}  // namespace trainyard::sealing
