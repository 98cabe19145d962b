#include "libs/base/yaml_document.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(LoadYamlTest, ReadsTheOneDocument) {
  const auto root = LoadYaml("a: [1, 2]\n", "f.yaml");
  ASSERT_THAT(root, IsOk());
  EXPECT_EQ((*root)["a"][1].Scalar(), "2");
  EXPECT_TRUE(LoadYaml("", "f.yaml")->IsNull());
  EXPECT_THAT(LoadYaml("a: 1\n---\nb: 2\n", "f.yaml", {.holds = "spec"}),
              StatusIs(kInvalid, AllOf(HasSubstr("f.yaml:2:1"), HasSubstr("a file has one spec"))));
}

TEST(LoadYamlTest, NamesThePlaceOfWhatIsNoYaml) {
  EXPECT_THAT(LoadYaml("a: 1\nb: [1\n", "f.yaml"), StatusIs(kInvalid, HasSubstr("f.yaml:")));
  EXPECT_THAT(LoadYaml("a: *nobody\n", "f.yaml"), StatusIs(kInvalid, HasSubstr("f.yaml:1:4")));
}

TEST(LoadYamlTest, HoldsTheTextAgainstItsLimits) {
  EXPECT_THAT(LoadYaml("a: 123456", "f.yaml", {.max_bytes = 8}), StatusIs(kInvalid, HasSubstr("9 bytes")));
  EXPECT_THAT(LoadYaml("[1, 2, 3]", "f.yaml", {.max_nodes = 4}), IsOk());
  EXPECT_THAT(LoadYaml("[1, 2, 3]", "f.yaml", {.max_nodes = 3}),
              StatusIs(kInvalid, HasSubstr("more than 3 values")));
  EXPECT_THAT(LoadYaml("[[[1]]]", "f.yaml", {.max_depth = 3}), IsOk());
  EXPECT_THAT(LoadYaml("[[[1]]]", "f.yaml", {.max_depth = 2}),
              StatusIs(kInvalid, HasSubstr("more than 2 lists and mappings inside each other")));
}

}  // namespace
}  // namespace trainyard
