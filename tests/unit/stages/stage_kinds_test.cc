#include "libs/stages/stage_kinds.h"

#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::stages {
namespace {

using ::google::protobuf::ServiceDescriptor;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAreArray;

// `evaluate_engine` -> `EvaluateEngine`, `convert-engine` -> `ConvertEngine`.
std::string CamelCase(const std::string& name) {
  std::string joined;
  for (absl::string_view word : absl::StrSplit(name, absl::ByAnyChar("_-"))) {
    joined += absl::ascii_toupper(word[0]);
    absl::StrAppend(&joined, word.substr(1));
  }
  return joined;
}

// The service that the file of a kind's request declares.
const ServiceDescriptor& ServiceOf(const StageKind& kind) {
  return *kind.request->GetDescriptor()->file()->service(0);
}

TEST(StageKindsTest, EachHasTheMethodOfItsNameAtTheServiceOfItsName) {
  for (const StageKind& kind : StageKinds()) {
    EXPECT_EQ(ServiceOf(kind).name(), CamelCase(kind.service) + "Service") << kind.name;
    const auto* method = ServiceOf(kind).FindMethodByName(CamelCase(kind.name));
    ASSERT_NE(method, nullptr) << kind.name;
    EXPECT_EQ(method->input_type(), kind.request->GetDescriptor()) << kind.name;
  }
}

TEST(StageKindsTest, NoMethodOfTheirServicesIsLeftOut) {
  std::set<std::string> methods, kinds;
  for (const StageKind& kind : StageKinds()) {
    kinds.insert(CamelCase(kind.name));
    for (int i = 0; i < ServiceOf(kind).method_count(); ++i) {
      methods.insert(ServiceOf(kind).method(i)->name());
    }
  }
  EXPECT_THAT(kinds, UnorderedElementsAreArray(methods));
}

TEST(StageKindsTest, AreFoundByNameAndByTheRequest) {
  const StageKind* train = FindStageKind("train");
  ASSERT_NE(train, nullptr);
  EXPECT_EQ(FindStageKind(*v1::TrainRequest::descriptor()), train);
  EXPECT_EQ(FindStageKind("trian"), nullptr);
  EXPECT_EQ(FindStageKind(*v1::TrainOptions::descriptor()), nullptr);
}

TEST(StageKindsTest, ServicesComeInTheOrderOfTheWorkflow) {
  EXPECT_THAT(StageServices(),
              ElementsAre("convert", "train", "prune", "export", "convert-engine"));
}

TEST(StageKindsTest, ARequestHasWhatItIsMadeOf) {
  v1::StageInput stage;
  stage.set_network("any");
  v1::TrainOptions options;
  options.set_resume(true);
  const auto made = FindStageKind("train")->make_request(stage, options, "an id", true);
  const auto& request = dynamic_cast<const v1::TrainRequest&>(*made);
  EXPECT_EQ(request.stage().network(), "any");
  EXPECT_TRUE(request.options().resume());
  EXPECT_EQ(request.request_id(), "an id");
  EXPECT_TRUE(request.validate_only());
}

}  // namespace
}  // namespace trainyard::stages
