#include "libs/service/operations.h"

#include <filesystem>
#include <optional>
#include <set>
#include <stdexcept>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "libs/service/internal/sqlite_operation_store.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/service_operations.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "trainyard/v1/prune.pb.h"

namespace trainyard::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::trainyard::testing::AwaitDone;
using ::trainyard::testing::AwaitOperation;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::Gate;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

v1::PruneRequest Request(const std::string& network = "ssd", const std::string& request_id = "") {
  v1::PruneRequest request;
  request.mutable_stage()->set_network(network);
  request.set_request_id(request_id);
  return request;
}

// A service with the stage `prune`, whose work is `run_`, and whose only check is of the network.
class OperationManagerTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }

  // As after the end of the process; a running operation is left as it stands.
  void Restart(std::unique_ptr<OperationStore> store = nullptr) {
    manager_.reset();
    auto manager = OperationManager::Create(options_, std::move(store));
    ASSERT_THAT(manager, IsOk());
    manager_ = *std::move(manager);
    Stage stage = StageOf<v1::PruneRequest>(
        "prune", [this](const v1::PruneRequest& request) -> absl::StatusOr<StageRun> {
          ++prepared_;
          seen_ = request;
          Problems problems;
          if (request.stage().network() != "ssd") {
            problems.Add("stage.network", "is '%s'; expected ssd", request.stage().network());
          }
          TY_RETURN_IF_ERROR(problems.ToStatus());
          return StageRun([this](OperationContext& context) { return run_(context); });
        });
    stage.resumable = resumable_;
    stage.prepare = [this, prepare = stage.prepare](const google::protobuf::Message& request,
                                                    Occasion occasion) {
      occasions_.push_back(occasion);
      return prepare(request, occasion);
    };
    manager_->AddStage(std::move(stage));
    ASSERT_THAT(manager_->Begin("host:7001"), IsOk());
  }

  std::string StartOne(const v1::PruneRequest& request = Request()) {
    const auto operation = manager_->Start("prune", request);
    EXPECT_THAT(operation, IsOk());
    return operation.ok() ? operation->name() : "";
  }
  Metadata MetadataNow(const std::string& name) { return MetadataOf(*manager_->Get(name)); }

  // Work that waits at the gate, then succeeds.
  StageRun Waiting() {
    return [this](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
      TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
      return v1::StageResult();
    };
  }

  TemporaryFolder folder_;
  OperationManager::Options options_{.service = "prune", .replica = "r1",
                                     .state_dir = folder_ / "state", .max_queue = 2};
  bool resumable_ = true;
  Gate gate_;
  int prepared_ = 0;
  std::vector<Occasion> occasions_;
  v1::PruneRequest seen_;
  StageRun run_ = [](OperationContext&) { return v1::StageResult(); };
  std::unique_ptr<OperationManager> manager_;
};

TEST_F(OperationManagerTest, AnOperationSucceedsWithItsResult) {
  run_ = [](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
    context.Progress(3, 3, "channels");
    v1::StageResult result;
    result.add_notes("all is well");
    result.add_metrics()->set_name("parameters");
    return result;
  };
  const auto started = manager_->Start("prune", Request());
  ASSERT_THAT(started, IsOk());
  EXPECT_THAT(started->name(), StartsWith("operations/prune/r1/"));
  EXPECT_FALSE(started->done());
  EXPECT_EQ(MetadataOf(*started).owner_address(), "host:7001");

  const Operation done = AwaitDone(*manager_, started->name());
  const auto result = ResultOf(done);
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->notes(), ElementsAre("all is well"));
  const Metadata metadata = MetadataOf(done);
  EXPECT_EQ(metadata.state(), Metadata::SUCCEEDED);
  EXPECT_EQ(metadata.attempt(), 1);
  EXPECT_EQ(metadata.progress().done(), 3);
  EXPECT_EQ(metadata.metrics(0).name(), "parameters");
  EXPECT_GE(metadata.end_time().seconds(), metadata.start_time().seconds());
}

TEST_F(OperationManagerTest, AMetricReplacesTheOneOfTheSameNameAndClass) {
  const auto metric = [](const char* name, const char* class_name, double value) {
    v1::Metric made;
    made.set_name(name);
    made.set_class_name(class_name);
    made.set_value(value);
    return made;
  };
  run_ = [&](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
    context.ReportMetrics({metric("AP", "bolt", 0.1), metric("AP", "nut", 0.2)});
    context.ReportMetrics({metric("AP", "bolt", 0.3)});
    v1::StageResult result;
    *result.add_metrics() = metric("AP", "nut", 0.4);
    *result.add_metrics() = metric("mAP", "", 0.5);
    return result;
  };
  const Metadata metadata = MetadataOf(AwaitDone(*manager_, StartOne()));
  std::vector<double> values;
  for (const v1::Metric& known : metadata.metrics()) values.push_back(known.value());
  EXPECT_THAT(values, ElementsAre(0.3, 0.4, 0.5));
}

TEST_F(OperationManagerTest, AFailureIsTheOperationsError) {
  run_ = [](OperationContext&) -> absl::StatusOr<v1::StageResult> {
    return absl::DataLossError("the model's digest differs");
  };
  const Operation done = AwaitDone(*manager_, StartOne());
  EXPECT_THAT(ResultOf(done), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("digest differs")));
  EXPECT_EQ(MetadataOf(done).state(), Metadata::FAILED);
}

TEST_F(OperationManagerTest, AnExceptionEndsTheOperationAndNotTheService) {
  run_ = [](OperationContext&) -> absl::StatusOr<v1::StageResult> {
    throw std::runtime_error("from a library");
  };
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, StartOne())),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("from a library")));
}

TEST_F(OperationManagerTest, WhatIsWrongWithTheRequestIsTheCallsStatus) {
  EXPECT_THAT(manager_->Start("prune", Request("sdd")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("stage.network is 'sdd'")));
  EXPECT_THAT(manager_->Start("train", Request()), StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(manager_->Start("prune", Request("ssd", std::string(37, 'x'))),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("37 bytes")));
  EXPECT_THAT(manager_->List({})->operations(), IsEmpty());
}

TEST_F(OperationManagerTest, ARequestThatIsTooLargeIsRefusedBeforeItIsLookedAt) {
  v1::PruneRequest request = Request();
  request.mutable_stage()->set_spec_text(std::string(size_t{4} << 20, ' '));
  EXPECT_THAT(manager_->Start("prune", request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 4194304")));
  request = Request();
  for (int i = 0; i <= 1000; ++i) {
    (*request.mutable_stage()->mutable_path_map())[absl::StrCat("/", i)] = "data";
  }
  EXPECT_THAT(manager_->Start("prune", request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("stage.path_map has 1001 entries; expected at most 1000")));
  EXPECT_EQ(prepared_, 0);
  request.mutable_stage()->mutable_path_map()->erase("/0");
  EXPECT_THAT(manager_->Start("prune", request), IsOk());
}

TEST_F(OperationManagerTest, ValidateOnlyStoresNothing) {
  v1::PruneRequest request = Request();
  request.set_validate_only(true);
  const auto checked = manager_->Start("prune", request);
  ASSERT_THAT(checked, IsOk());
  EXPECT_TRUE(checked->done());
  EXPECT_EQ(checked->name(), "");
  EXPECT_THAT(ResultOf(*checked), IsOk());
  EXPECT_THAT(manager_->List({})->operations(), IsEmpty());
  EXPECT_TRUE(seen_.validate_only()) << "a stage looks closer at what is only checked";
  request.mutable_stage()->set_network("sdd");
  EXPECT_THAT(manager_->Start("prune", request), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(OperationManagerTest, TheSameRequestIdGivesTheSameOperation) {
  const std::string first = StartOne(Request("ssd", "id-1"));
  AwaitDone(*manager_, first);
  EXPECT_EQ(StartOne(Request("ssd", "id-1")), first);
  EXPECT_EQ(prepared_, 1);
  v1::PruneRequest other = Request("ssd", "id-1");
  other.mutable_options()->set_granularity(4);
  const auto refused = manager_->Start("prune", other);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(worker::ReasonOf(refused.status()), "REQUEST_ID_REUSED");
  Restart();
  EXPECT_EQ(StartOne(Request("ssd", "id-1")), first);
}

TEST_F(OperationManagerTest, AFullQueueSaysWhenToComeBack) {
  run_ = Waiting();
  const std::string running = StartOne();
  gate_.AwaitArrivals(1);
  StartOne();
  const std::string last = StartOne();
  EXPECT_EQ(MetadataNow(last).state(), Metadata::PENDING);
  const auto refused = manager_->Start("prune", Request());
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("1 operations work and 2")));
  EXPECT_EQ(worker::ReasonOf(refused.status()), "QUEUE_FULL");
  EXPECT_EQ(worker::RetryOf(refused.status()), absl::Seconds(2));
  gate_.Open();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, last)), IsOk());
  EXPECT_EQ(MetadataNow(running).state(), Metadata::SUCCEEDED);
}

TEST_F(OperationManagerTest, CancelStopsWorkSoon) {
  run_ = Waiting();
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  const absl::Time before = absl::Now();
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_LT(absl::Now() - before, absl::Seconds(2));
  EXPECT_EQ(MetadataOf(done).state(), Metadata::CANCELLED);
  EXPECT_TRUE(MetadataOf(done).cancel_requested());
  EXPECT_EQ(done.error().code(), 1);
  // Of one that has ended: no effect, no error.
  EXPECT_THAT(manager_->Cancel(name), IsOk());
  EXPECT_THAT(manager_->Cancel("operations/prune/r1/none"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OperationManagerTest, CancelOfOneThatWaitsEndsItAtOnce) {
  run_ = Waiting();
  StartOne();
  const std::string waiting = StartOne();
  ASSERT_THAT(manager_->Cancel(waiting), IsOk());
  EXPECT_EQ(MetadataNow(waiting).state(), Metadata::CANCELLED);
}

TEST_F(OperationManagerTest, WorkThatEndsWellDespiteACancelSucceeded) {
  run_ = [this](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
    gate_.Pass(context.stop()).IgnoreError();
    return v1::StageResult();
  };
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  EXPECT_EQ(MetadataOf(AwaitDone(*manager_, name)).state(), Metadata::SUCCEEDED);
}

TEST_F(OperationManagerTest, SequencesOnlyGrowAndSurviveARestart) {
  run_ = [this](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
    for (int i = 0; i < 3000; ++i) context.Progress(i, 3000, "steps");
    TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
    return v1::StageResult();
  };
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  const int64_t before = MetadataNow(name).sequence();
  EXPECT_GT(before, 3000);
  gate_.Open();
  Restart();
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_GT(MetadataOf(done).sequence(), before);
}

TEST_F(OperationManagerTest, RunningWorkIsTakenUpAfterARestart) {
  run_ = Waiting();
  const std::string running = StartOne();
  const std::string waiting = StartOne();
  gate_.AwaitArrivals(1);
  Restart();
  gate_.Open();
  EXPECT_EQ(MetadataOf(AwaitDone(*manager_, running)).state(), Metadata::SUCCEEDED);
  EXPECT_EQ(MetadataNow(running).attempt(), 2);
  EXPECT_EQ(MetadataOf(AwaitDone(*manager_, waiting)).state(), Metadata::SUCCEEDED);
  EXPECT_EQ(MetadataNow(waiting).attempt(), 1);
}

TEST_F(OperationManagerTest, WorkThatCannotBeBegunAgainIsInterrupted) {
  resumable_ = false;
  Restart();
  run_ = [this](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
    context.SetResumeUri("weights/epoch_3.tlt");
    TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
    return v1::StageResult();
  };
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  Restart();
  const Operation done = *manager_->Get(name);
  EXPECT_THAT(ResultOf(done), StatusIs(absl::StatusCode::kAborted, HasSubstr("restarted")));
  EXPECT_EQ(worker::ReasonOf(ResultOf(done).status()), "OPERATION_INTERRUPTED");
  EXPECT_EQ(MetadataOf(done).state(), Metadata::FAILED);
}

TEST_F(OperationManagerTest, ALiteralKeyIsInMemoryOnly) {
  std::string key;
  run_ = [&](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
    key = context.key();
    TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
    return v1::StageResult();
  };
  v1::PruneRequest request = Request();
  request.mutable_stage()->set_key("open-sesame-literal");
  const std::string name = StartOne(request);
  gate_.AwaitArrivals(1);
  EXPECT_EQ(key, "open-sesame-literal");
  EXPECT_EQ(seen_.stage().key(), "[redacted]");
  Restart();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_FALSE(absl::StrContains(ContentOf(entry.path()), "open-sesame-literal")) << entry.path();
  }
  const auto result = ResultOf(*manager_->Get(name));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("env:NAME")));
  EXPECT_EQ(worker::ReasonOf(result.status()), "KEY_LOST");
}

TEST_F(OperationManagerTest, AReferencedKeyIsReadAgain) {
  setenv("TRAINYARD_TEST_KEY", "first-value", 1);
  std::string key;
  run_ = [&](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
    key = context.key();
    TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
    return v1::StageResult();
  };
  v1::PruneRequest request = Request();
  request.mutable_stage()->set_key("env:TRAINYARD_TEST_KEY");
  const std::string name = StartOne(request);
  gate_.AwaitArrivals(1);
  setenv("TRAINYARD_TEST_KEY", "second-value", 1);
  gate_.Open();
  Restart();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, name)), IsOk());
}

TEST_F(OperationManagerTest, ADrainTakesNothingNewAndLeavesTheRowsAlone) {
  run_ = Waiting();
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  manager_->Drain();
  EXPECT_EQ(MetadataNow(name).state(), Metadata::RUNNING);
  const auto refused = manager_->Start("prune", Request());
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(worker::ReasonOf(refused.status()), "DRAINING");
}

TEST_F(OperationManagerTest, LanesDoNotWaitForEachOther) {
  run_ = Waiting();
  manager_.reset();
  manager_ = *OperationManager::Create(options_);
  for (const char* name : {"train", "evaluate"}) {
    Stage stage = StageOf<v1::PruneRequest>(
        name, [this](const v1::PruneRequest&) -> absl::StatusOr<StageRun> { return run_; });
    stage.lane = name;
    manager_->AddStage(std::move(stage));
  }
  ASSERT_THAT(manager_->Begin(""), IsOk());
  ASSERT_THAT(manager_->Start("train", Request()), IsOk());
  ASSERT_THAT(manager_->Start("evaluate", Request()), IsOk());
  gate_.AwaitArrivals(2);
}

TEST_F(OperationManagerTest, NamesOfOtherReplicasAreRedirected) {
  options_.find_peer = [](const std::string& replica) {
    return std::string(replica == "r2" ? "host:7002" : "");
  };
  Restart();
  const auto redirect = manager_->Get("operations/prune/r2/1");
  EXPECT_THAT(redirect, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("host:7002")));
  EXPECT_EQ(worker::ReasonOf(redirect.status()), "WRONG_REPLICA");
  EXPECT_EQ(worker::ReasonValueOf(redirect.status(), "owner"), "host:7002");
  EXPECT_EQ(worker::ReasonValueOf(manager_->Get("operations/prune/r3/1").status(), "owner"), "");
  EXPECT_THAT(manager_->Get("operations/train/r1/1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(manager_->Get("12"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(OperationManagerTest, ListsPageByPage) {
  options_.max_queue = 10;
  Restart();
  std::vector<std::string> newest_first;
  for (int i = 0; i < 5; ++i) {
    newest_first.insert(newest_first.begin(), StartOne());
    AwaitDone(*manager_, newest_first.front());
  }
  google::longrunning::ListOperationsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    const auto page = manager_->List(request);
    ASSERT_THAT(page, IsOk());
    for (const Operation& operation : page->operations()) names.push_back(operation.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  // By time of creation, in microseconds: names of one millisecond sort by chance.
  EXPECT_EQ(names, newest_first);

  request.set_filter("state=SUCCEEDED AND stage=prune");
  EXPECT_EQ(manager_->List(request)->operations_size(), 2);
  request.set_filter("state=FAILED");
  EXPECT_THAT(manager_->List(request)->operations(), IsEmpty());
  request.set_page_token("bm9uc2Vuc2U");
  EXPECT_THAT(manager_->List(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("page_token")));
  request.clear_page_token();
  request.set_filter("stage=prune AND stage=train");
  EXPECT_THAT(manager_->List(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'stage=train' is not understood")));
  request.set_filter("state=STATE_UNSPECIFIED");
  EXPECT_THAT(manager_->List(request), StatusIs(absl::StatusCode::kInvalidArgument));
  request.set_filter("colour=red");
  EXPECT_THAT(manager_->List(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("colour")));
  request.set_page_size(-1);
  EXPECT_THAT(manager_->List(request), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(OperationManagerTest, APageIsNoLargerThanAClientTakes) {
  run_ = [](OperationContext&) -> absl::StatusOr<v1::StageResult> {
    v1::StageResult result;
    result.add_notes(std::string(1500000, 'n'));
    return result;
  };
  for (int i = 0; i < 5; ++i) AwaitDone(*manager_, StartOne());
  google::longrunning::ListOperationsRequest request;
  std::set<std::string> names;
  do {
    const auto page = manager_->List(request);
    ASSERT_THAT(page, IsOk());
    EXPECT_LT(page->ByteSizeLong(), size_t{4} << 20);
    for (const Operation& operation : page->operations()) names.insert(operation.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, SizeIs(5));
}

TEST_F(OperationManagerTest, OnlyWhatHadBegunMayFindItsOwnOutputsAfterARestart) {
  run_ = Waiting();
  const std::string begun = StartOne(), waits = StartOne();
  gate_.AwaitArrivals(1);
  Restart();
  gate_.AwaitArrivals(2);
  gate_.Open();
  AwaitDone(*manager_, begun);
  AwaitDone(*manager_, waits);
  EXPECT_THAT(occasions_,
              ElementsAre(Occasion::kNew, Occasion::kNew, Occasion::kTakenUp, Occasion::kNew));
}

TEST_F(OperationManagerTest, DeletesWhatHasEnded) {
  run_ = Waiting();
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  EXPECT_THAT(manager_->Delete(name), StatusIs(absl::StatusCode::kFailedPrecondition));
  gate_.Open();
  AwaitDone(*manager_, name);
  EXPECT_THAT(manager_->Delete(name), IsOk());
  EXPECT_THAT(manager_->Get(name), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OperationManagerTest, AStateFolderBelongsToOneService) {
  run_ = Waiting();
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  manager_.reset();
  const std::string before = trainyard::testing::ContentOf(folder_ / "state/operations.db");
  EXPECT_THAT(OperationManager::Create({.service = "train", .state_dir = folder_ / "state"}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       ::testing::AllOf(HasSubstr("belongs to the service prune; this is train"),
                                        HasSubstr("--state-dir"))));
  EXPECT_EQ(trainyard::testing::ContentOf(folder_ / "state/operations.db"), before);
  EXPECT_THAT(OperationManager::Create(options_), IsOk());
}

TEST_F(OperationManagerTest, WorksOverTheStoreThatItIsGiven) {
  options_.state_dir = folder_ / "other";
  Restart(*OpenSqliteOperationStore(folder_ / "elsewhere"));
  AwaitDone(*manager_, StartOne());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "other/operations.db"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "elsewhere/operations.db"));
}

TEST_F(OperationManagerTest, BadOptionsAreNamedTogether) {
  EXPECT_THAT(OperationManager::Create({.service = "a/b", .replica = "", .max_running = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasSubstr("service"), HasSubstr("replica"),
                                        HasSubstr("state_dir"), HasSubstr("max_running"))));
}

}  // namespace
}  // namespace trainyard::service
