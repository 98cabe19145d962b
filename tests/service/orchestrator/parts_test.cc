// Gates, references, cache keys and the spreading over replicas: small pure parts.
#include <filesystem>
#include <future>
#include <thread>

#include "gmock/gmock.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "services/orchestrator/address_pool.h"
#include "services/orchestrator/cache_key.h"
#include "services/orchestrator/gates.h"
#include "services/orchestrator/references.h"
#include "tests/support/status_matchers.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;

void AddMetric(MetricList& metrics, const char* name, double value, bool higher_is_better = true,
               const char* class_name = "") {
  v1::Metric& metric = *metrics.Add();
  metric.set_name(name);
  metric.set_class_name(class_name);
  metric.set_value(value);
  metric.set_higher_is_better(higher_is_better);
}

const MetricList* NoMetrics(const std::string&) { return nullptr; }

TEST(ExpandReferencesTest, ReplacesWhatIsKnownAndLeavesTheRest) {
  TextRoom room;
  EXPECT_THAT(ExpandReferences("a/${x}/${y}-${x}",
                               [](const std::string& name) {
                                 return name == "x" ? std::optional<std::string>("${y}")
                                                    : std::nullopt;
                               },
                               room),
              IsOkAndHolds("a/${y}/${y}-${y}"));
  EXPECT_THAT(FindReferences("a ${b\n}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not closed")));
}

TEST(ParseOutputReferenceTest, TakesOnlyItsForm) {
  EXPECT_EQ(ParseOutputReference("stage.a.outputs.b"), (OutputReference{"a", "b"}));
  for (const char* name : {"stage.a.outputs", "stage..outputs.b", "param.x", "stage.a.inputs.b"}) {
    EXPECT_FALSE(ParseOutputReference(name).has_value()) << name;
  }
}

TEST(CheckGatesTest, AMinimumHoldsAtEquality) {
  MetricList metrics;
  AddMetric(metrics, "mAP", 0.75);
  EXPECT_THAT(CheckGates({.minimums = {{{"mAP", ""}, 0.75}}}, metrics, NoMetrics), IsOk());
}

TEST(CheckGatesTest, AMaximumHoldsAtEqualityAndNotAbove) {
  MetricList metrics;
  AddMetric(metrics, "ms_per_image", 9, false);
  AddMetric(metrics, "loss", std::nan(""), false);
  EXPECT_THAT(CheckGates({.maximums = {{{"ms_per_image", ""}, 9}}}, metrics, NoMetrics), IsOk());
  const Gates gates{.maximums = {{{"ms_per_image", ""}, 8.5}, {{"loss", ""}, 1}, {{"none", ""}, 1}}};
  EXPECT_THAT(CheckGates(gates, metrics, NoMetrics),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("ms_per_image is 9.0000; the gate wants at most 8.5"),
                             HasSubstr("loss is nan; the gate wants at most 1"),
                             HasSubstr("none was not measured; the gate wants at most 1"))));
}

TEST(CheckGatesTest, ListsEveryGateThatDoesNotHold) {
  MetricList metrics, before;
  AddMetric(metrics, "mAP", 0.70);
  AddMetric(metrics, "ms_per_image", 9, false);
  AddMetric(before, "mAP", 0.80);
  AddMetric(before, "ms_per_image", 5, false);
  const Gates gates{.minimums = {{{"mAP", ""}, 0.75}, {{"AP", "nut"}, 0.5}},
                    .max_drops = {{{"mAP", ""}, 0.05, "train"}, {{"ms_per_image", ""}, 2, "train"}}};
  EXPECT_THAT(
      CheckGates(gates, metrics, [&](const std::string&) { return &before; }),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("mAP is 0.7000; the gate wants at least 0.75"),
                     HasSubstr("AP[nut] was not measured"),
                     HasSubstr("worse by 0.1000 than the 0.8000 of stage 'train'; the gate allows "
                               "0.05"),
                     HasSubstr("ms_per_image is 9.0000, worse by 4.0000"))));
}

TEST(CheckGatesTest, NotANumberDoesNotHold) {
  MetricList metrics;
  AddMetric(metrics, "mAP", std::nan(""));
  EXPECT_THAT(CheckGates({.minimums = {{{"mAP", ""}, 0}}}, metrics, NoMetrics),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(CacheKeyTest, EachIngredientCountsAndPartsDoNotRunTogether) {
  const CacheIngredients base{.kind = "train", .implementation_version = 1, .network = "ssd",
                              .canonical_spec = "ab", .options = "c", .inputs = {{"m", "1"}},
                              .reads = {"2"}, .hardware = "h", .key_mark = "k"};
  std::vector<CacheIngredients> all(15, base);
  all[1].kind = "prune";
  all[2].implementation_version = 2;
  all[3].network = "yolo";
  all[4].canonical_spec = "a", all[4].options = "bc";
  all[5].inputs = {{"m", "9"}};
  all[6].inputs = {{"m1", ""}};
  all[7].inputs = {{"m", "1"}, {"m", "1"}};
  all[8].reads = {};
  all[9].hardware = "";
  all[10].key_mark = "";
  all[11].inputs = {}, all[11].reads = {"m", "1", "2"};
  all[12].outputs = {{"o", "a"}};
  all[13].outputs = {{"o", "b"}};
  all[14].outputs = {{"oa", ""}};
  std::set<std::string> keys;
  for (const CacheIngredients& ingredients : all) keys.insert(CacheKey(ingredients));
  EXPECT_EQ(keys.size(), all.size());
  EXPECT_EQ(CacheKey(base), CacheKey(base));
}

TEST(KeyMarkTest, TellsKeysApartInSixLetters) {
  EXPECT_EQ(KeyMark("salt", ""), "");
  EXPECT_EQ(KeyMark("salt", "one").size(), 6u);
  EXPECT_NE(KeyMark("salt", "one"), KeyMark("salt", "two"));
  EXPECT_NE(KeyMark("salt", "one"), KeyMark("pepper", "one"));
}

TEST(DigestOfPathTest, KnowsFilesPrefixesAndWhatIsNotThere) {
  const std::string folder = ::testing::TempDir() + "/digest_of_path";
  ASSERT_THAT(RemoveTree(folder), IsOk());
  ASSERT_THAT(MakeFolders(folder + "/out"), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder + "/set-fold-000", "x"), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder + "/set-fold-001", "y"), IsOk());
  const std::string results = folder + "/out/run";
  EXPECT_THAT(DigestOfPath("f", folder + "/set-fold-000", results), IsOkAndHolds(Sha256Hex("x")));
  const auto prefix = DigestOfPath("p", folder + "/set", results);
  ASSERT_THAT(prefix, IsOk());
  EXPECT_EQ(prefix->size(), 64u);
  ASSERT_THAT(WriteFileAtomically(folder + "/set-fold-001", "changed"), IsOk());
  const std::string changed = *DigestOfPath("p", folder + "/set", results);
  EXPECT_NE(changed, *prefix);
  // Another set, whose name only begins alike.
  ASSERT_THAT(WriteFileAtomically(folder + "/set2-fold-000", "z"), IsOk());
  EXPECT_THAT(DigestOfPath("p", folder + "/set", results), IsOkAndHolds(changed));
  EXPECT_THAT(DigestOfPath("no", folder + "/no", results), IsOkAndHolds("missing:no"));
  EXPECT_THAT(DigestOfPath("all", folder, results),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("results of runs")));
}

TEST(DigestOfPathTest, FollowsLinksToFolders) {
  const std::string folder = ::testing::TempDir() + "/digest_of_links";
  ASSERT_THAT(RemoveTree(folder), IsOk());
  for (const char* part : {"/data", "/pictures/more", "/far"}) {
    ASSERT_THAT(MakeFolders(folder + part), IsOk());
  }
  const auto link = [&](const std::string& target, const char* name) {
    std::filesystem::create_directory_symlink(target, folder + name);
  };
  const auto digest = [&] { return *DigestOfPath("d", folder + "/data", folder + "/out"); };
  const std::string without = digest();
  EXPECT_EQ(without, *PathDigest(folder + "/data"));
  link("../pictures", "/data/images");
  // Neither a way back up nor a circle is followed for ever.
  link("..", "/data/up");
  link(folder + "/pictures", "/pictures/more/circle");
  link(folder + "/far", "/pictures/far");
  const std::string linked = digest();
  EXPECT_NE(linked, without);
  ASSERT_THAT(WriteFileAtomically(folder + "/pictures/1.png", "1"), IsOk());
  const std::string one = digest();
  EXPECT_NE(one, linked);
  ASSERT_THAT(WriteFileAtomically(folder + "/far/2.png", "2"), IsOk());
  EXPECT_NE(digest(), one);
}

TEST(AddressPoolTest, AStopEndsTheQuestionsForRoom) {
  std::stop_source stop;
  int asked = 0;
  AddressPool pool([&](const std::string&) {
    ++asked;
    stop.request_stop();
    return 0;
  });
  EXPECT_THAT(pool.Acquire({"a:1", "b:1"}, {}, stop.get_token()), IsOk());
  EXPECT_EQ(asked, 1);
}

TEST(AddressPoolTest, TakesTheLeastLoadedInTurn) {
  AddressPool pool([](const std::string&) { return -1; });
  const std::vector<std::string> addresses = {"a:1", "b:1"};
  auto first = pool.Acquire(addresses, {}, {});
  auto second = pool.Acquire(addresses, {}, {});
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_NE(first->address(), second->address());
  { const auto gone = std::move(*first); }
  const auto third = pool.Acquire(addresses, {}, {});
  EXPECT_EQ(third->address(), "a:1");
}

TEST(AddressPoolTest, AvoidsWhatItIsTold) {
  AddressPool pool([](const std::string&) { return -1; });
  EXPECT_EQ(pool.Acquire({"a:1", "b:1"}, {"a:1"}, {})->address(), "b:1");
  EXPECT_THAT(pool.Acquire({"a:1"}, {"a:1"}, {}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(AddressPoolTest, WaitsWhileAllAreFull) {
  AddressPool pool([](const std::string&) { return 1; });
  auto held = std::make_unique<AddressPool::Lease>(*pool.Acquire({"a:1"}, {}, {}));
  auto waiting = std::async(std::launch::async, [&] { return pool.Acquire({"a:1"}, {}, {}).ok(); });
  held.reset();
  EXPECT_TRUE(waiting.get());
}

TEST(AddressPoolTest, StopsWaitingOnRequest) {
  AddressPool pool([](const std::string&) { return 1; });
  const auto held = pool.Acquire({"a:1"}, {}, {});
  std::stop_source stop;
  auto waiting = std::async(std::launch::async,
                            [&] { return pool.Acquire({"a:1"}, {}, stop.get_token()).status(); });
  stop.request_stop();
  EXPECT_THAT(waiting.get(), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace trainyard::orchestrator
