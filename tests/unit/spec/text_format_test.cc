#include "libs/spec/text_format.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"
#include "trainyard/spec/dataset/v1/dataset_export_config.pb.h"
#include "trainyard/spec/ssd/v1/experiment.pb.h"

namespace trainyard::spec {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using spec::dataset::v1::DatasetExportConfig;
using spec::ssd::v1::EvalConfig;
using spec::ssd::v1::Experiment;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;

template <typename T = Experiment>
T Parsed(const std::string& text) {
  T message;
  EXPECT_THAT(ParseTextFormat(text, "spec.txt", &message, nullptr), IsOk()) << text;
  return message;
}

// "place: field description" of every problem.
std::vector<std::string> ProblemsOf(const std::string& text) {
  Experiment message;
  const absl::Status status = ParseTextFormat(text, "spec.txt", &message, nullptr);
  std::vector<std::string> lines;
  for (const Problem& problem : ProblemsFrom(status)) {
    lines.push_back(absl::StrCat(problem.place, ": ", problem.field, " ", problem.description));
  }
  return lines;
}

TEST(ParseTextFormatTest, AgreesWithProtobufsOwnReaderOnAWholeSpec) {
  const std::string text = R"(
    random_seed: 7
    ssd_config { scales: "[0.1, 0.2]" min_scale: 0.8 alpha: 1.5f arch: 'resnet' nlayers: 0x12
                 two_boxes_for_ar1: true freeze_blocks: [0, 1] freeze_blocks: 3 }
    training_config: < num_epochs: 80; learning_rate { soft_start_annealing_schedule {
      min_learning_rate: 5e-5, max_learning_rate: .02 soft_start: 1 } } regularizer { type: L1 } >
    eval_config { average_precision_mode: 1 }
    augmentation_config { image_mean { key: "b" value: 103.9 } image_mean: { key: 'g' value: 1 }
                          brightness: -3 }
    dataset_config { data_sources: { tfrecords_path: "/a\tb" 'c\x41' } data_sources {}
                     data_sources: [{ root_path: "x" }, < root_path: "y" >] }
  )";
  Experiment expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &expected));
  EXPECT_TRUE(MessageDifferencer::Equals(Parsed(text), expected));
}

TEST(ParseTextFormatTest, ReadsBooleansInAllTheirForms) {
  for (const char* yes : {"true", "True", "t", "1"}) {
    EXPECT_TRUE(
        Parsed(absl::StrCat("ssd_config { clip_boxes: ", yes, " }")).ssd_config().clip_boxes());
  }
  for (const char* no : {"false", "False", "f", "0"}) {
    const Experiment spec = Parsed(absl::StrCat("ssd_config { clip_boxes: ", no, " }"));
    EXPECT_TRUE(spec.ssd_config().has_clip_boxes());
    EXPECT_FALSE(spec.ssd_config().clip_boxes());
  }
}

TEST(ParseTextFormatTest, KeepsAbsentAndZeroApart) {
  const Experiment spec = Parsed("augmentation_config { hue: 0 }");
  EXPECT_TRUE(spec.augmentation_config().has_hue());
  EXPECT_FALSE(spec.augmentation_config().has_brightness());
}

TEST(ParseTextFormatTest, TakesCommentsByteOrderMarkAndWindowsLines) {
  EXPECT_EQ(Parsed("\xEF\xBB\xBF# a comment { : \"\r\nrandom_seed: 5 # another\r\n").random_seed(),
            5);
}

TEST(ParseTextFormatTest, MergesAMessageThatIsGivenTwice) {
  const Experiment spec = Parsed("ssd_config { nlayers: 18 } ssd_config { arch: \"resnet\" }");
  EXPECT_EQ(spec.ssd_config().nlayers(), 18);
  EXPECT_EQ(spec.ssd_config().arch(), "resnet");
}

TEST(ParseTextFormatTest, TheLastScalarWinsWithAWarning) {
  Experiment spec;
  std::vector<std::string> warnings;
  ASSERT_THAT(ParseTextFormat("random_seed: 1\nrandom_seed: 2", "spec.txt", &spec, &warnings),
              IsOk());
  EXPECT_EQ(spec.random_seed(), 2);
  EXPECT_THAT(warnings,
              ElementsAre("spec.txt:2:1: random_seed is given again; the last one wins (the "
                          "one before is at spec.txt:1:1)"));
}

TEST(ParseTextFormatTest, TheLastOfEqualMapKeysWinsWithAWarning) {
  DatasetExportConfig spec;
  std::vector<std::string> warnings;
  ASSERT_THAT(ParseTextFormat("target_class_mapping { key: 'a' value: 'x' }\n"
                              "target_class_mapping { key: 'b' value: 'y' }\n"
                              "target_class_mapping { key: 'a' value: 'z' }",
                              "spec.txt", &spec, &warnings),
              IsOk());
  EXPECT_THAT(spec.target_class_mapping(), UnorderedElementsAre(Pair("a", "z"), Pair("b", "y")));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("spec.txt:3:1: target_class_mapping[\"a\"]")));
}

TEST(ParseTextFormatTest, ReadsTheOtherSpellings) {
  EXPECT_FLOAT_EQ(
      Parsed("nms_config { cluster_iou_threshold: 0.6 }").nms_config().clustering_iou_threshold(),
      0.6f);
  EXPECT_THAT(Parsed<DatasetExportConfig>("coco_config { image_dir_names: ['a', 'b'] }")
                  .coco_config()
                  .img_dir_names(),
              ElementsAre("a", "b"));
}

TEST(ParseTextFormatTest, RemembersThePlaceOfEveryField) {
  Experiment spec;
  FieldPlaces places;
  ASSERT_THAT(ParseTextFormat("ssd_config {\n  nlayers: 18\n  freeze_blocks: [0, 1]\n}\n"
                              "dataset_config { data_sources {\n\ttfrecords_path: '/a' } "
                              "target_class_mapping { key: 'van' value: 'car' } }",
                              "spec.txt", &spec, nullptr, &places),
              IsOk());
  EXPECT_THAT(places,
              UnorderedElementsAre(
                  Pair("ssd_config", "spec.txt:1:1"), Pair("ssd_config.nlayers", "spec.txt:2:3"),
                  Pair("ssd_config.freeze_blocks[0]", "spec.txt:3:19"),
                  Pair("ssd_config.freeze_blocks[1]", "spec.txt:3:22"),
                  Pair("dataset_config", "spec.txt:5:1"),
                  Pair("dataset_config.data_sources[0]", "spec.txt:5:18"),
                  Pair("dataset_config.data_sources[0].tfrecords_path", "spec.txt:6:9"),
                  Pair("dataset_config.target_class_mapping[\"van\"]", "spec.txt:6:32")));
}

TEST(ParseTextFormatTest, NamesAllProblemsAtOnce) {
  EXPECT_THAT(
      ProblemsOf("random_sed: 1\n"
                 "training_config {\n"
                 "  num_epochs: -3\n"
                 "  batch_size_per_gpu: 16.5\n"
                 "  num_epoch: 80\n"
                 "  regularizer { type: L3 weight: \"x\" }\n"
                 "  enable_qat: yes\n"
                 "}\n"
                 "ssd_config { arch: resnet }\n"),
      ElementsAre("spec.txt:1:1: random_sed is not a field of Experiment; did you mean "
                  "'random_seed'?",
                  "spec.txt:3:16: training_config.num_epochs is -3; expected a whole number "
                  "from 0 to 4294967295",
                  "spec.txt:4:23: training_config.batch_size_per_gpu is 16.5; expected a whole "
                  "number from 0 to 4294967295",
                  "spec.txt:5:3: training_config.num_epoch is not a field of TrainingConfig; "
                  "did you mean 'num_epochs'?",
                  "spec.txt:6:23: training_config.regularizer.type is L3; expected one of "
                  "NO_REG, L1, L2; did you mean 'L1'?",
                  "spec.txt:6:34: training_config.regularizer.weight is \"x\"; expected a number",
                  "spec.txt:7:15: training_config.enable_qat is yes; expected true or false",
                  "spec.txt:9:20: ssd_config.arch is resnet; expected text in quotes"));
}

TEST(ParseTextFormatTest, ATabEndsAtAMultipleOfEightAlsoForLettersThatAreNotAscii) {
  EXPECT_THAT(ProblemsOf("eval_config {\n a\t\xc2\xa7: 1 }"),
              Contains(HasSubstr("spec.txt:2:9")));
}

TEST(ParseTextFormatTest, GoesOnAfterUnknownFieldsOfEveryForm) {
  EXPECT_THAT(
      ProblemsOf("a: 1 b: -2 c: 'x' \"y\" d { e: { f: 1 } g: [1, { h: 2 }] } i: [1, 2] j < k: 1 > "
                 "l: word random_seed: x"),
      SizeIs(8));
}

TEST(ParseTextFormatTest, ReadsWhatIsGoodBesideProblems) {
  Experiment spec;
  EXPECT_THAT(ParseTextFormat("bad: 1 random_seed: 3 ssd_config { worse { } nlayers: 18 }", "s",
                              &spec, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(spec.random_seed(), 3);
  EXPECT_EQ(spec.ssd_config().nlayers(), 18);
}

TEST(ParseTextFormatTest, AMissingBraceIsNamedWhereTheNextMessageBegins) {
  EXPECT_THAT(
      ProblemsOf("ssd_config {\n  nlayers: 18\n\ntraining_config { num_epoch: 1 }\n"),
      ElementsAre("spec.txt:4:1: ssd_config.training_config is a field of Experiment, not of "
                  "SSDConfig; is a '}' missing before it?",
                  AllOf(HasSubstr("spec.txt:4:19: training_config.num_epoch is not"),
                        HasSubstr("'num_epochs'")),
                  "spec.txt:1:12: ssd_config is not closed; expected '}'"));
}

// What is read beside the missing brace must not free what it is missing in.
TEST(ParseTextFormatTest, AMissingBraceBeforeTheOtherOfAOneofFreesNothing) {
  Experiment spec;
  const absl::Status status =
      ParseTextFormat("ssd_config { arch: 'resnet' dssd_config { nlayer: 10 } nlayers: 18 }", "s",
                      &spec, nullptr);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("is a '}' missing before it?"),
                                     HasSubstr("dssd_config and ssd_config exclude each other"),
                                     HasSubstr("dssd_config.nlayer is not a field"))));
  EXPECT_TRUE(spec.has_ssd_config());
  EXPECT_EQ(spec.ssd_config().nlayers(), 18);
}

TEST(ParseTextFormatTest, AForgottenOpeningBraceIsOneProblem) {
  EXPECT_THAT(ProblemsOf("nms_config\n  top_k: 5\n  confidence_threshold: 0.5\n}\nrandom_seed: 1"),
              ElementsAre("spec.txt:2:3: nms_config is followed by 'top_k'; expected '{'"));
}

TEST(ParseTextFormatTest, NamesBracketsThatDoNotFit) {
  EXPECT_THAT(ProblemsOf("random_seed: 1 }"),
              ElementsAre("spec.txt:1:16:  found '}', which closes nothing"));
  EXPECT_THAT(ProblemsOf("ssd_config < nlayers: 18 }"),
              ElementsAre("spec.txt:1:26: ssd_config ends with '}'; expected '>'"));
  EXPECT_THAT(ProblemsOf("ssd_config { freeze_blocks: [1, 2 } random_seed: 1"),
              ElementsAre(HasSubstr("ssd_config.freeze_blocks holds '}' where ',' or ']'")));
}

TEST(ParseTextFormatTest, NamesForgottenColonsAndValues) {
  EXPECT_THAT(ProblemsOf("random_seed 5"),
              ElementsAre("spec.txt:1:13: random_seed is followed by '5'; expected ':'"));
  EXPECT_THAT(ProblemsOf("ssd_config { nlayers: arch: \"x\" }"),
              ElementsAre("spec.txt:1:23: ssd_config.nlayers has no value: found 'arch'"));
  EXPECT_THAT(ProblemsOf("random_seed:"), ElementsAre(HasSubstr("found the end of the text")));
  EXPECT_THAT(ProblemsOf("ssd_config: 5"), ElementsAre(HasSubstr("expected '{'")));
  EXPECT_THAT(ProblemsOf("nms_config { top_k: [1, 2] }"),
              ElementsAre(HasSubstr("expected one value")));
  EXPECT_THAT(ProblemsOf("random_seed: { a: 1 } eval_config { batch_size: 1 }"), SizeIs(1));
}

TEST(ParseTextFormatTest, NamesNumbersThatDoNotFit) {
  EXPECT_THAT(ProblemsOf("random_seed: 4294967296"),
              ElementsAre(HasSubstr("is 4294967296; expected")));
  EXPECT_THAT(Parsed("random_seed: 4294967295").random_seed(), 4294967295u);
  EXPECT_EQ(Parsed("augmentation_config { hue: -2147483648 }").augmentation_config().hue(),
            INT32_MIN);
  EXPECT_THAT(ProblemsOf("augmentation_config { hue: -2147483649 }"), SizeIs(1));
  EXPECT_THAT(ProblemsOf("ssd_config { alpha: 1e60 }"), ElementsAre(HasSubstr("32-bit float")));
}

TEST(ParseTextFormatTest, TwoMembersOfAOneofExcludeEachOther) {
  EXPECT_THAT(
      ProblemsOf("ssd_config { }\ndssd_config { }"),
      ElementsAre("spec.txt:2:1: dssd_config and ssd_config exclude each other; it was given at "
                  "spec.txt:1:1"));
}

TEST(ParseTextFormatTest, AMapEntryNeedsKeyAndValue) {
  EXPECT_THAT(
      ProblemsOf("augmentation_config { image_mean { key: 'b' } image_mean { value: 1 } "
                 "image_mean { key: 'r' valu: 2 } image_mean: 5 }"),
      ElementsAre(HasSubstr("holds an entry without 'value'"),
                  HasSubstr("holds an entry without 'key'"), HasSubstr("did you mean 'value'?"),
                  HasSubstr("holds an entry without 'value'"),
                  HasSubstr("expected '{ key: ... value: ... }'")));
}

TEST(ParseTextFormatTest, NamesTextsThatDoNotEndOrAreNotUtf8) {
  EXPECT_THAT(ProblemsOf("ssd_config { arch: \"resnet\n nlayers: 18 }"),
              ElementsAre(HasSubstr("spec.txt:1:27")));
  EXPECT_THAT(ProblemsOf("ssd_config { arch: \"\\xff\" }"), ElementsAre(HasSubstr("not UTF-8")));
  EXPECT_EQ(Parsed("ssd_config { arch: \"\\303\\251\" }").ssd_config().arch(), "\xC3\xA9");
}

TEST(ParseTextFormatTest, DeepTextsAreRefusedAtOneLevel) {
  // A name of an enclosing message is read there, so these open a message each.
  for (const char* opener :
       {"training_config { ", "training_config: <", "dataset_config { data_sources {"}) {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += opener;
    EXPECT_THAT(ProblemsOf(text), Contains(HasSubstr("is more than 64 levels deep"))) << opener;
  }
  std::string maps;
  for (int i = 0; i < 20000; ++i) maps += "augmentation_config { image_mean { key: 'b' ";
  EXPECT_THAT(ProblemsOf(maps), Contains(HasSubstr("is more than 64 levels deep")));
  // Nothing but entries, each inside the one before.
  std::string entries = "augmentation_config { ";
  for (int i = 0; i < 20000; ++i) entries += "image_mean { ";
  EXPECT_THAT(ProblemsOf(entries), Contains(HasSubstr("is more than 64 levels deep")));
  std::string brackets;
  for (int i = 0; i < 100000; ++i) brackets += "x { [ < ";
  EXPECT_THAT(ProblemsOf(brackets), Not(IsEmpty()));
}

TEST(ParseTextFormatTest, NamesLettersThatAreNotAscii) {
  EXPECT_THAT(
      ProblemsOf("random_seed: 1\nssd_config { arch: “resnet” nlayers: ‘10’ }"),
      ElementsAre("spec.txt:2:20:  found U+201C (a curly quote), which is no quote; write \"",
                  "spec.txt:2:42:  found U+2018 (a curly quote), which is no quote; write '",
                  HasSubstr("nlayers")));
  EXPECT_THAT(ProblemsOf("\xC2\xA0random_seed: 1\n\xE2\x80\x8Bssd_config { }"),
              ElementsAre("spec.txt:1:1:  found U+00A0 (a no-break space); write a plain space",
                          "spec.txt:2:1:  found U+200B (a zero-width space); write a plain space"));
  EXPECT_THAT(ProblemsOf("ssd_config { arch: \"resnet”\n nlayers: 18 }"),
              ElementsAre("spec.txt:1:20:  the text that begins here ends with U+201D (a curly "
                          "quote), which is no quote; write \""));
  EXPECT_THAT(ProblemsOf("random_seed: −1"),
              ElementsAre(HasSubstr("U+2212 (a minus sign); write -"), HasSubstr("random_seed")));
  EXPECT_THAT(ProblemsOf("ssd_config {\n  alpha: 1e−5 nlayers: 18 }"),
              ElementsAre("spec.txt:2:12:  found U+2212 (a minus sign); write -"));
  EXPECT_THAT(
      ProblemsOf("随机 random_seed: 1"),
      ElementsAre(HasSubstr("spec.txt:1:1:  found '随' U+968F; only ASCII stands outside")));
  EXPECT_THAT(ProblemsOf("\xFC"
                         "ber: 1"),
              Contains(HasSubstr("the byte 0xFC, which is not UTF-8")));
}

TEST(ParseTextFormatTest, NamesAtMostTwentyLettersAndCountsTheRest) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "\xC2\xA0 \n";
  const auto lines = ProblemsOf(text);
  ASSERT_THAT(lines, SizeIs(21));
  EXPECT_THAT(lines.back(), HasSubstr("and 30 more letters that are not ASCII"));
}

TEST(ParseTextFormatTest, LettersInQuotesAndCommentsAreTheUsers) {
  EXPECT_THAT(ProblemsOf("# “naïve” \xFC comment\nssd_config { arch: \"“é”\" }"), IsEmpty());
  EXPECT_EQ(Parsed("ssd_config { arch: \"“é”\" }").ssd_config().arch(), "“é”");
}

TEST(ParseTextFormatTest, TakesEveryKindOfLineEnd) {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const std::string text = absl::StrCat("# a comment", end, "random_seed: 7", end, "ssd_config {",
                                          end, "}", end, "x: 1");
    Experiment spec;
    const auto status = ParseTextFormat(text, "spec.txt", &spec, nullptr);
    EXPECT_EQ(spec.random_seed(), 7);
    EXPECT_TRUE(spec.has_ssd_config());
    EXPECT_THAT(status.message(), HasSubstr("spec.txt:5:1: x")) << end;
  }
}

TEST(ParseTextFormatTest, OtherEncodingsAreOneProblem) {
  using std::string_literals::operator""s;
  EXPECT_THAT(ProblemsOf("\xFF\xFEr\0:\0"s),
              ElementsAre(HasSubstr("is in UTF-16; save it in UTF-8")));
  EXPECT_THAT(ProblemsOf("\xFE\xFF\0r\0:"s), ElementsAre(HasSubstr("UTF-16")));
  EXPECT_THAT(ProblemsOf("r\0a\0n\0d\0"s), ElementsAre(HasSubstr("UTF-16")));
  EXPECT_THAT(ProblemsOf("\xFF\xFE\0\0r\0\0\0"s), ElementsAre(HasSubstr("UTF-32")));
  EXPECT_EQ(Parsed("\xEF\xBB\xBFrandom_seed: 3").random_seed(), 3);
}

TEST(ParseTextFormatTest, LimitsSizeAndNumberOfProblems) {
  EXPECT_THAT(ProblemsOf(std::string((1 << 20) + 1, ' ')), ElementsAre(HasSubstr("1048577 bytes")));
  std::string junk;
  for (int i = 0; i < 5000; ++i) junk += "x: 1\n";
  EXPECT_THAT(ProblemsOf(junk), SizeIs(1000));
}

TEST(ParseTextFormatTest, SurvivesEveryPrefixAndEveryCutOfASpec) {
  const std::string text =
      "ssd_config { arch: \"resnet\" freeze_blocks: [0, 1] } dataset_config < data_sources: [{ "
      "root_path: 'a' }] target_class_mapping { key: 'a' value: 'b' } > random_seed: -0x1f";
  for (size_t i = 0; i <= text.size(); ++i) {
    Experiment spec;
    ParseTextFormat(text.substr(0, i), "s", &spec, nullptr).IgnoreError();
    ParseTextFormat(text.substr(i), "s", &spec, nullptr).IgnoreError();
    std::string broken = text;
    broken.insert(i, "}[<:-");
    ParseTextFormat(broken, "s", &spec, nullptr).IgnoreError();
  }
}

Experiment WithOverrides(const std::string& text, const std::vector<std::string>& overrides) {
  Experiment spec = Parsed(text);
  EXPECT_THAT(ApplyOverrides(overrides, &spec), IsOk());
  return spec;
}

TEST(ApplyOverridesTest, SetsScalarsAndMakesTheMessagesOnTheWay) {
  const Experiment spec = WithOverrides(
      "random_seed: 1",
      {"training_config.num_epochs = 20", "eval_config.average_precision_mode=INTEGRATE",
       "training_config.learning_rate.soft_start_annealing_schedule.soft_start = 0.25"});
  EXPECT_EQ(spec.training_config().num_epochs(), 20);
  EXPECT_EQ(spec.eval_config().average_precision_mode(), EvalConfig::INTEGRATE);
  EXPECT_FLOAT_EQ(
      spec.training_config().learning_rate().soft_start_annealing_schedule().soft_start(), 0.25f);
}

TEST(ApplyOverridesTest, TextsNeedNoQuotes) {
  const Experiment spec =
      WithOverrides("", {"ssd_config.scales = [0.1, 0.2]", "ssd_config.arch = \"resnet\"",
                         "training_config.pretrain_model_path = /models/a=b.tlt"});
  EXPECT_EQ(spec.ssd_config().scales(), "[0.1, 0.2]");
  EXPECT_EQ(spec.ssd_config().arch(), "resnet");
  EXPECT_EQ(spec.training_config().pretrain_model_path(), "/models/a=b.tlt");
}

TEST(ApplyOverridesTest, ChangesAndAppendsRepeatedFields) {
  const Experiment spec = WithOverrides(
      "ssd_config { freeze_blocks: [0, 1] } dataset_config { data_sources { tfrecords_path: 'a' } "
      "}",
      {"ssd_config.freeze_blocks[1] = 3", "ssd_config.freeze_blocks[2] = 2",
       "dataset_config.data_sources[0].tfrecords_path = b",
       "dataset_config.data_sources[1].tfrecords_path = c",
       "dataset_config.data_sources[2] = { tfrecords_path: 'd' }"});
  EXPECT_THAT(spec.ssd_config().freeze_blocks(), ElementsAre(0, 3, 2));
  ASSERT_THAT(spec.dataset_config().data_sources(), SizeIs(3));
  EXPECT_EQ(spec.dataset_config().data_sources(0).tfrecords_path(), "b");
  EXPECT_EQ(spec.dataset_config().data_sources(1).tfrecords_path(), "c");
  EXPECT_EQ(spec.dataset_config().data_sources(2).tfrecords_path(), "d");
}

TEST(ApplyOverridesTest, ReplacesAndClearsWholeFields) {
  const Experiment spec =
      WithOverrides("random_seed: 1 ssd_config { freeze_blocks: [0, 1] } nms_config { top_k: 5 }",
                    {"ssd_config.freeze_blocks = [2, 3]",
                     "random_seed =", "nms_config = { confidence_threshold: 0.5 }"});
  EXPECT_THAT(spec.ssd_config().freeze_blocks(), ElementsAre(2, 3));
  EXPECT_FALSE(spec.has_random_seed());
  EXPECT_FALSE(spec.nms_config().has_top_k());
}

TEST(ApplyOverridesTest, ChangesMapsByKey) {
  const Experiment spec =
      WithOverrides("dataset_config { target_class_mapping { key: 'van' value: 'car' } }",
                    {"dataset_config.target_class_mapping[van] = truck",
                     "dataset_config.target_class_mapping[\"a.b]\"] = x",
                     "augmentation_config.image_mean[b] = 104"});
  EXPECT_THAT(spec.dataset_config().target_class_mapping(),
              UnorderedElementsAre(Pair("van", "truck"), Pair("a.b]", "x")));
  EXPECT_FLOAT_EQ(spec.augmentation_config().image_mean().at("b"), 104);
}

TEST(ApplyOverridesTest, ALeafOfAOneofReplacesTheOther) {
  const Experiment spec = WithOverrides("training_config { pretrain_model_path: 'a' }",
                                        {"training_config.pruned_model_path = b"});
  EXPECT_FALSE(spec.training_config().has_pretrain_model_path());
  EXPECT_EQ(spec.training_config().pruned_model_path(), "b");
}

TEST(ApplyOverridesTest, TwoLeavesOfAOneofAreOneTooMany) {
  Experiment spec = Parsed("training_config { pretrain_model_path: 'a' }");
  EXPECT_THAT(ApplyOverrides({"training_config.pruned_model_path = b",
                              "training_config.resume_model_path = c"},
                             &spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("training_config.resume_model_path and pruned_model_path exclude "
                                 "each other; expected one of them")));
  EXPECT_EQ(spec.training_config().pretrain_model_path(), "a");
  // One that is taken back is none.
  EXPECT_THAT(ApplyOverrides({"training_config.pruned_model_path = b",
                              "training_config.pruned_model_path =",
                              "training_config.resume_model_path = c"},
                             &spec),
              IsOk());
}

TEST(ApplyOverridesTest, NamesAllProblemsAndChangesNothing) {
  Experiment spec = Parsed("random_seed: 1 ssd_config { freeze_blocks: 0 }");
  FieldPlaces places;
  const absl::Status status = ApplyOverrides(
      {"random_seed = 2", "random_seed", "training_config.num_epoch = 1",
       "ssd_config.nlayers = many", "ssd_config.freeze_blocks[2] = 1", "dssd_config.nlayers = 18",
       "random_seed.x = 1", "a..b = 1", "nms_config.top_k[0] = 1",
       "dataset_config.target_class_mapping[a =b", "eval_config.batch_size = 1 2",
       "dataset_config.data_sources.tfrecords_path = x"},
      &spec, &places);
  std::vector<std::string> lines;
  for (const Problem& problem : ProblemsFrom(status)) {
    lines.push_back(absl::StrCat(problem.field, " ", problem.description));
  }
  EXPECT_THAT(
      lines, ElementsAre("random_seed has no '='; expected 'field = value'",
                         "training_config.num_epoch is not a field of TrainingConfig; did you mean "
                         "'num_epochs'?",
                         "ssd_config.nlayers is many; expected a whole number from 0 to 4294967295",
                         "ssd_config.freeze_blocks has no item [2]; expected 0 to 1 (1 appends)",
                         "dssd_config is not what the spec uses; it has ssd_config",
                         "random_seed holds no fields; expected the path to end here",
                         "a..b holds '.' where a field's name was expected",
                         "nms_config.top_k is not repeated; expected no [index]",
                         "dataset_config.target_class_mapping[a has no ']' after "
                         "'target_class_mapping['",
                         "eval_config.batch_size is followed by '2'; expected nothing more",
                         "dataset_config.data_sources is repeated; expected an [index]"));
  EXPECT_EQ(spec.random_seed(), 1);
  EXPECT_THAT(places, IsEmpty());
}

TEST(ApplyOverridesTest, ThePlaceNamesTheOverrideWithoutItsValue) {
  Experiment spec;
  FieldPlaces places;
  ASSERT_THAT(
      ApplyOverrides({"training_config.visualizer.wandb_config.key = hush"}, &spec, &places),
      IsOk());
  EXPECT_EQ(places["training_config.visualizer.wandb_config.key"],
            "override 'training_config.visualizer.wandb_config.key'");
}

TEST(PrintCanonicalTest, ReadsBackEqualAndIsSortedByNumberAndKey) {
  const Experiment spec = Parsed(
      "nms_config { clustering_iou_threshold: 0.6 } random_seed: 3 dataset_config { "
      "target_class_mapping { key: 'b' value: 'x' } target_class_mapping { key: 'a' value: "
      "'\\303\\251' } "
      "} ssd_config { alpha: 0.1 }");
  const std::string text = PrintCanonical(spec);
  EXPECT_EQ(text,
            "random_seed: 3\n"
            "dataset_config {\n"
            "  target_class_mapping {\n    key: \"a\"\n    value: \"\xC3\xA9\"\n  }\n"
            "  target_class_mapping {\n    key: \"b\"\n    value: \"x\"\n  }\n"
            "}\n"
            "nms_config {\n  clustering_iou_threshold: 0.6\n}\n"
            "ssd_config {\n  alpha: 0.1\n}\n");
  EXPECT_TRUE(MessageDifferencer::Equals(Parsed(text), spec));
}

TEST(PrintCanonicalTest, LeavesSecretsOut) {
  const Experiment spec =
      Parsed("training_config { visualizer { wandb_config { key: 'hush' project: 'p' } } }");
  EXPECT_THAT(PrintCanonical(spec), AllOf(HasSubstr("project: \"p\""), Not(HasSubstr("hush"))));
}

TEST(ParseTextFormatTest, MessagesNeverShowSecrets) {
  EXPECT_THAT(ProblemsOf("training_config { visualizer { wandb_config { key: hush } } }"),
              ElementsAre(AllOf(HasSubstr("wandb_config.key"), Not(HasSubstr("hush")))));
}

}  // namespace
}  // namespace trainyard::spec
