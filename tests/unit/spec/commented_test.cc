#include "libs/spec/commented.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/registry.h"
#include "libs/spec/field_meaning.h"
#include "libs/spec/text_format.h"
#include "tests/support/status_matchers.h"
#include "trainyard/spec/ssd/v1/experiment.pb.h"

namespace trainyard::spec {
namespace {

using ::google::protobuf::Descriptor;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;

const networks::NetworkFamily& FamilyNamed(const std::string& name) {
  return **networks::FindNetwork(name);
}

networks::SpecMessage ExampleOf(const networks::NetworkFamily& family) {
  networks::SpecMessage spec = family.Parse(family.example(), "example", {}, nullptr).value();
  family.SetDefaults(*spec);
  return spec;
}

void Collect(const Descriptor* type, std::vector<const google::protobuf::FieldDescriptor*>* all) {
  for (int i = 0; i < type->field_count(); ++i) {
    all->push_back(type->field(i));
    if (type->field(i)->message_type() != nullptr && !type->field(i)->is_map()) {
      Collect(type->field(i)->message_type(), all);
    }
  }
}

class CommentedTest : public ::testing::TestWithParam<std::string> {};

TEST_P(CommentedTest, IsASpecThatTheNetworkTakesAndThatMeansTheSame) {
  const networks::NetworkFamily& family = FamilyNamed(GetParam());
  const networks::SpecMessage spec = ExampleOf(family);
  const std::string text = PrintCommented(*spec, family.coverage());
  std::vector<std::string> warnings;
  const auto loaded = family.Load(text, "commented.txt", {}, SpecUse::kTrain, &warnings);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_THAT(warnings, IsEmpty());
  EXPECT_EQ(PrintCanonical(**loaded), PrintCanonical(*spec));
}

TEST_P(CommentedTest, NamesEveryFieldThatIsNotBelowOneWithoutEffect) {
  const networks::NetworkFamily& family = FamilyNamed(GetParam());
  const std::string text = PrintCommented(*ExampleOf(family), family.coverage());
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  Collect(family.NewSpec()->GetDescriptor(), &fields);
  for (const auto* field : fields) {
    EXPECT_THAT(MeaningOf(field), Not(IsEmpty())) << field->full_name();
    if (SupportOf(field, family.coverage()) != FieldSupport::kSupported) continue;
    EXPECT_TRUE(absl::StrContains(text, absl::StrCat(field->name(), ": ")) ||
                absl::StrContains(text, absl::StrCat(field->name(), " {")))
        << field->full_name();
  }
}

TEST_P(CommentedTest, LinesFitAScreen) {
  const networks::NetworkFamily& family = FamilyNamed(GetParam());
  const std::string text = PrintCommented(*ExampleOf(family), family.coverage());
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_TRUE(line.size() <= 100 || !absl::StrContains(line, "#")) << line;
  }
}

INSTANTIATE_TEST_SUITE_P(AllNetworks, CommentedTest, ::testing::ValuesIn(networks::NetworkNames()));

TEST(CommentedSpecTest, SaysOfAFieldWhatThePageSays) {
  const auto* type = spec::ssd::v1::SSDConfig::descriptor();
  EXPECT_EQ(MeaningOf(type->FindFieldByName("freeze_bn")),
            "Freeze the statistics and the affine parameters of all batch normalizations. false when "
            "absent.");
  const std::string text = PrintCommented(spec::ssd::v1::SSDConfig(), {});
  EXPECT_THAT(text, HasSubstr("# The backbone: resnet, vgg, darknet,"));
  EXPECT_THAT(text, HasSubstr("\n# arch: \"\"\n"));
}

TEST(CommentedSpecTest, WhatIsNotActedUponIsALineWithoutAValue) {
  const networks::NetworkFamily& ssd = FamilyNamed("ssd");
  const std::string text = PrintCommented(*ExampleOf(ssd), ssd.coverage());
  EXPECT_THAT(text, HasSubstr("\n  # enable_qat (not offered yet): Quantization-aware training."));
  EXPECT_THAT(text, HasSubstr("\n  # optimizer (no effect): No effect for SSD"));
  EXPECT_THAT(text, Not(HasSubstr("enable_qat: ")));
  EXPECT_THAT(text, Not(HasSubstr("rmsprop")));
}

TEST(CommentedSpecTest, WhatIsNotSetStandsThereAsAComment) {
  spec::ssd::v1::Experiment experiment;
  experiment.mutable_eval_config()->set_batch_size(8);
  const std::string text = PrintCommented(experiment, {});
  EXPECT_THAT(text, HasSubstr("\neval_config {\n"));
  EXPECT_THAT(text, HasSubstr("\n  batch_size: 8\n"));
  EXPECT_THAT(text, HasSubstr("One of SAMPLE, INTEGRATE."));
  EXPECT_THAT(text, HasSubstr("\n  # average_precision_mode: SAMPLE\n"));
  EXPECT_THAT(text, HasSubstr("\n# nms_config {\n"));
  EXPECT_THAT(text, HasSubstr("\n  # top_k: 0\n"));
}

TEST(CommentedSpecTest, ClassesStandByNameAndBlocksAreExplainedOnce) {
  spec::ssd::v1::Experiment experiment;
  auto& data = *experiment.mutable_dataset_config();
  (*data.mutable_target_class_mapping())["b"] = "x";
  (*data.mutable_target_class_mapping())["a"] = "say \"y\"";
  data.add_data_sources()->set_tfrecords_path("one");
  data.add_data_sources()->set_tfrecords_path("two");
  const std::string text = PrintCommented(experiment, {});
  EXPECT_THAT(text, HasSubstr("  target_class_mapping { key: \"a\" value: \"say \\\"y\\\"\" }\n"
                              "  target_class_mapping { key: \"b\" value: \"x\" }\n"));
  EXPECT_THAT(text, HasSubstr("  data_sources {\n    tfrecords_path: \"two\"\n  }\n"));
}

}  // namespace
}  // namespace trainyard::spec
