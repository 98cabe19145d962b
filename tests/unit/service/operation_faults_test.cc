// Operations when the service dies under them, the disk is full, rows are damaged, clocks leap.
#include <atomic>
#include <functional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "libs/service/internal/sqlite_operation_store.h"
#include "libs/service/operations.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/full_disk.h"
#include "tests/support/service_operations.h"
#include "tests/support/sqlite.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "trainyard/v1/prune.pb.h"

namespace trainyard::service {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::trainyard::testing::AwaitDone;
using ::trainyard::testing::AwaitOperation;
using ::trainyard::testing::FullDisk;
using ::trainyard::testing::Gate;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

class OperationFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override { Begin(); }

  void Begin() {
    auto manager = OperationManager::Create(options_);
    ASSERT_THAT(manager, IsOk());
    manager_ = *std::move(manager);
    manager_->AddStage(StageOf<v1::PruneRequest>(
        "prune", [this](const v1::PruneRequest& request) -> absl::StatusOr<StageRun> {
          ++prepared_;
          if (!refusal_.ok()) return refusal_;
          return StageRun([this, work = request.stage().network()](OperationContext& context)
                              -> absl::StatusOr<v1::StageResult> {
            if (work == "wait") TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
            if (work == "step") context.SetResumeUri(absl::StrCat("epoch_", ++steps_));
            if (work == "step") TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
            return v1::StageResult();
          });
        }));
    ASSERT_THAT(manager_->Begin("host:7001"), IsOk());
  }
  void Restart() {
    manager_.reset();
    Begin();
  }
  // What a kill while the work runs leaves behind: the row that a drain left, and one death more.
  void DieUnder(const std::string& name) {
    manager_.reset();
    auto store = OpenSqliteOperationStore(options_.state_dir);
    ASSERT_THAT(store, IsOk());
    OperationRow row = *(*store)->Get(name.substr(name.rfind('/') + 1));
    EXPECT_EQ(row.metadata.state(), Metadata::RUNNING);
    ++row.deaths;
    ASSERT_THAT((*store)->Update(row), IsOk());
  }
  void RunSql(const std::string& sql) {
    testing::RunSql(options_.state_dir + "/operations.db", sql);
  }

  std::string StartOne(const std::string& work = "", const std::string& key = "") {
    v1::PruneRequest request;
    request.mutable_stage()->set_network(work);
    request.mutable_stage()->set_key(key);
    const auto operation = manager_->Start("prune", request);
    EXPECT_THAT(operation, IsOk());
    return operation.ok() ? operation->name() : "";
  }
  Metadata Now(const std::string& name) { return MetadataOf(*manager_->Get(name)); }
  void AwaitState(const std::string& name, Metadata::State state) {
    AwaitOperation(*manager_, name, [state](const Operation&, const Metadata& metadata) {
      return metadata.state() == state;
    });
  }

  TemporaryFolder folder_;
  OperationManager::Options options_{.service = "prune", .state_dir = folder_ / "state"};
  absl::Status refusal_;
  Gate gate_;
  std::atomic<int> prepared_ = 0, steps_ = 0;
  std::unique_ptr<OperationManager> manager_;
};

// --- The service dies ---

TEST_F(OperationFaultsTest, WhatTookTheServiceWithItThreeTimesIsNotBegunAgain) {
  const std::string poison = StartOne("wait"), behind = StartOne();
  for (int death = 1; death <= 3; ++death) {
    gate_.AwaitArrivals(death);
    EXPECT_EQ(Now(poison).attempt(), death);
    DieUnder(poison);
    Begin();
  }
  const auto result = ResultOf(*manager_->Get(poison));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("died 3 times")));
  EXPECT_EQ(worker::ReasonOf(result.status()), "SERVICE_CRASHED");
  EXPECT_EQ(Now(poison).state(), Metadata::FAILED);
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, behind)), IsOk());
}

TEST_F(OperationFaultsTest, DrainsAreNoDeaths) {
  const std::string name = StartOne("wait");
  for (int restart = 1; restart <= 5; ++restart) {
    gate_.AwaitArrivals(restart);
    Restart();
  }
  gate_.Open();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, name)), IsOk());
  EXPECT_EQ(Now(name).attempt(), 6);
}

TEST_F(OperationFaultsTest, DeathsBeforeANewCheckpointDoNotCount) {
  const std::string name = StartOne("step");
  for (int death = 1; death <= 4; ++death) {
    gate_.AwaitArrivals(death);
    DieUnder(name);
    Begin();
  }
  gate_.Open();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, name)), IsOk());
}

TEST_F(OperationFaultsTest, ARequestIsLookedAtAgainWhenItsTurnComes) {
  const std::string running = StartOne("wait"), waiting = StartOne();
  gate_.AwaitArrivals(1);
  refusal_ = absl::NotFoundError("the input is gone");
  Restart();
  const auto result = ResultOf(AwaitDone(*manager_, running));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound,
                               AllOf(HasSubstr("cannot go on after a restart"),
                                     HasSubstr("the input is gone"))));
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, waiting)), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(prepared_, 4);
}

// --- The disk is full ---

TEST_F(OperationFaultsTest, AnEndShowsOnceItIsStored) {
  const std::string first = StartOne("wait"), second = StartOne();
  gate_.AwaitArrivals(1);
  {
    const FullDisk full;
    gate_.Open();
    // The second has its turn when the first has come to its end.
    AwaitState(second, Metadata::RUNNING);
    EXPECT_EQ(Now(first).state(), Metadata::RUNNING);
    EXPECT_THAT(manager_->Delete(first), Not(IsOk()));
    EXPECT_THAT(manager_->Cancel(first), IsOk()) << "it has ended";
    EXPECT_THAT(manager_->Start("prune", v1::PruneRequest()), Not(IsOk()));
  }
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, first)), IsOk());
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, second)), IsOk());
  const int64_t sequence = Now(first).sequence();
  Restart();
  EXPECT_EQ(Now(first).state(), Metadata::SUCCEEDED);
  EXPECT_EQ(Now(first).sequence(), sequence);
  EXPECT_EQ(Now(first).attempt(), 1);
}

TEST_F(OperationFaultsTest, AnEndThatWasNeverStoredNeverCame) {
  const std::string first = StartOne("wait"), second = StartOne();
  gate_.AwaitArrivals(1);
  {
    const FullDisk full;
    gate_.Open();
    AwaitState(second, Metadata::RUNNING);
    manager_.reset();
  }
  Begin();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, first)), IsOk());
  EXPECT_EQ(Now(first).attempt(), 2);
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, second)), IsOk());
}

TEST_F(OperationFaultsTest, ACancelWorksOnAFullDisk) {
  const std::string name = StartOne("wait");
  gate_.AwaitArrivals(1);
  {
    const FullDisk full;
    EXPECT_THAT(manager_->Cancel(name).message(), HasSubstr("told to stop"));
    EXPECT_EQ(Now(name).state(), Metadata::CANCELLING);
  }
  EXPECT_EQ(MetadataOf(AwaitDone(*manager_, name)).state(), Metadata::CANCELLED);
  Restart();
  EXPECT_EQ(Now(name).state(), Metadata::CANCELLED);
}

// --- Rows are damaged ---

TEST_F(OperationFaultsTest, OneDamagedRowSpoilsNeitherTheListNorTheStart) {
  const std::string ended = StartOne();
  AwaitDone(*manager_, ended);
  const std::string running = StartOne("wait"), waiting = StartOne();
  gate_.AwaitArrivals(1);
  manager_.reset();
  const auto damage = [this](const std::string& name) {
    RunSql(absl::StrCat("UPDATE operations SET metadata = x'ffff' WHERE id = '",
                        name.substr(name.rfind('/') + 1), "'"));
  };
  damage(ended);
  damage(running);
  Begin();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, waiting)), IsOk());
  const auto list = manager_->List({});
  ASSERT_THAT(list, IsOk());
  ASSERT_THAT(list->operations(), SizeIs(1));
  EXPECT_EQ(list->operations(0).name(), waiting);
  EXPECT_THAT(list->unreachable(), ElementsAre(running, ended));
  for (const std::string& name : {ended, running}) {
    const auto result = ResultOf(*manager_->Get(name));
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is damaged")));
    EXPECT_EQ(worker::ReasonOf(result.status()), "ROW_DAMAGED");
    EXPECT_THAT(manager_->Delete(name), IsOk());
  }
  EXPECT_THAT(manager_->List({})->unreachable(), IsEmpty());
}

// --- Clocks leap ---

TEST_F(OperationFaultsTest, AWallClockThatLeapsMakesNothingOld) {
  absl::Duration leap;
  options_.retention = absl::Hours(1);
  options_.wall_clock = [&leap] { return absl::Now() + leap; };
  Restart();
  const std::string name = StartOne();
  AwaitDone(*manager_, name);
  leap = absl::Hours(24 * 32);
  Restart();
  EXPECT_THAT(manager_->Get(name), IsOk());
  leap = absl::ZeroDuration();
  Restart();
  EXPECT_THAT(manager_->Get(name), IsOk());
  // Time that went by.
  leap = absl::Hours(2);
  Restart();
  EXPECT_THAT(manager_->Get(name), StatusIs(absl::StatusCode::kNotFound));
}

// --- Keys ---

TEST_F(OperationFaultsTest, ARefusalDoesNotHoldTheKey) {
  Problems problems;
  problems.Add("stage.spec_text", "has 'open-sesame-refused'; expected a number");
  refusal_ = problems.ToStatus();
  v1::PruneRequest request;
  request.mutable_stage()->set_key("open-sesame-refused");
  for (const bool only_checked : {false, true}) {
    request.set_validate_only(only_checked);
    const absl::Status status = manager_->Start("prune", request).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[redacted]")));
    EXPECT_THAT(status.ToString(absl::StatusToStringMode::kWithEverything),
                Not(HasSubstr("open-sesame")));
    EXPECT_THAT(ProblemsFrom(status), SizeIs(1));
  }
}

// --- Digests ---

TEST_F(OperationFaultsTest, DigestsOfInputsAreTheOperationsAffair) {
  options_.check_inputs = [this](const google::protobuf::Message&, const std::stop_token& stop) {
    return gate_.Pass(stop);
  };
  Restart();
  const std::string name = StartOne();
  gate_.AwaitArrivals(1);
  EXPECT_THAT(manager_->Cancel(name), IsOk());
  EXPECT_EQ(MetadataOf(AwaitDone(*manager_, name)).state(), Metadata::CANCELLED);
}

}  // namespace
}  // namespace trainyard::service
