#include "libs/sealing/internal/sections.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/sealing/internal/bytes.h"
#include "libs/sealing/internal/crypto.h"
#include "tests/support/status_matchers.h"

namespace trainyard::sealing {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

const Sections kSections = {{"a", "first"}, {"b", "second"}};
std::string Plaintext() { return absl::StrCat(EncodeTable(kSections), "first", "second"); }

TEST(DecodeSectionsTest, TakesApartWhatWasPutTogether) {
  const auto sections = DecodeSections(Plaintext());
  ASSERT_THAT(sections, IsOk());
  EXPECT_EQ(*sections, kSections);
}

// The chunks of a file are authentic on their own; the digest is for those who take a section out
// of it and for mistakes of writers.
TEST(DecodeSectionsTest, ASectionThatIsNotWhatTheTableSaysIsNamed) {
  std::string plaintext = Plaintext();
  plaintext.back() ^= 1;
  EXPECT_THAT(DecodeSections(plaintext),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("section 'b' does not have the SHA-256 of the table")));
}

TEST(DecodeSectionsTest, SizesThatDoNotAddUpAreDataLoss) {
  EXPECT_THAT(DecodeSections(Plaintext() + "x"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("1 bytes belong to no section")));
  EXPECT_THAT(DecodeSections(Plaintext().substr(0, Plaintext().size() - 1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("section 'b' has 6 bytes")));
  EXPECT_THAT(DecodeSections(Plaintext().substr(0, 40)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("table is longer")));
  EXPECT_THAT(DecodeSections(std::string("\xff\xff\xff\xff", 4)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("at most 4096")));
}

TEST(DecodeSectionsTest, ANameIsThereOnce) {
  ByteWriter table;
  table.U32(2);
  for (int i = 0; i < 2; ++i) {
    table.U16(1);
    table.Raw("a");
    table.U64(1);
    table.Raw(Sha256Raw("x"));
  }
  EXPECT_THAT(DecodeSections(table.bytes() + "xx"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("section 'a' is there twice")));
}

}  // namespace
}  // namespace trainyard::sealing
