#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "libs/base/files.h"
#include "services/orchestrator/runs.h"
#include "services/orchestrator/sqlite_run_store.h"
#include "tests/service/orchestrator/fake_stage_client.h"
#include "tests/support/status_matchers.h"

namespace trainyard::orchestrator {

// DIR is replaced by the test's folder.
inline constexpr char kChain[] = R"(
name: chain
services: {train: "t:1", prune: "p:1"}
results: DIR/results
stages:
  - {name: train, kind: train, spec: "epochs: 3"}
  - {name: prune, kind: prune, inputs: {model: "${stage.train.outputs.best}"}}
  - name: retrain
    kind: train
    spec: "epochs: 2"
    inputs: {model: "${stage.prune.outputs.model}"}
)";

// One orchestrator; a second one on the same folder is the one after a restart.
class House {
 public:
  using Change = std::function<void(Environment&)>;
  House(const std::string& folder, FakeStageClient& client, const Change& change = nullptr)
      : pool_([](auto&) { return -1; }) {
    auto store = OpenSqliteRunStore(folder + "/state");
    EXPECT_THAT(store, testing::IsOk());
    store_ = *std::move(store);
    canceller_ = std::make_unique<Canceller>(client, *store_, absl::Milliseconds(1));
    environment_.client = &client;
    environment_.store = store_.get();
    environment_.pool = &pool_;
    environment_.canceller = canceller_.get();
    environment_.read_spec = [](const SpecQuestion& question,
                                const PathRule&) -> absl::StatusOr<std::string> {
      const std::string text =
          absl::StrCat(question.text, "; ", absl::StrJoin(question.overrides, "; "));
      if (absl::StrContains(text, "wrong")) return absl::InvalidArgumentError("wrong is no field");
      return text;
    };
    environment_.resolve = [](const std::string& uri, const auto&) -> absl::StatusOr<std::string> {
      return uri;
    };
    environment_.clock = absl::Now;
    environment_.wait = [this](absl::Duration pause, std::stop_token stop) {
      waited_ = waited_ + absl::ToInt64Seconds(pause);
      return !stop.stop_requested();
    };
    environment_.write_report = [this](const Pipeline&, const v1::Run&) {
      ++reports_;
      return absl::OkStatus();
    };
    if (change) change(environment_);
    runs_ = std::make_unique<Runs>(environment_);
  }
  ~House() { runs_.reset(); }

  Runs& runs() { return *runs_; }
  RunStore& store() { return *store_; }
  Environment& environment() { return environment_; }
  int64_t waited_seconds() const { return waited_; }
  int reports() const { return reports_; }

  v1::Run Await(const std::string& name) {
    auto record = *runs_->Find(name);
    std::mutex mutex;
    std::condition_variable changed;
    const auto subscription = record->Subscribe([&] {
      const std::lock_guard lock(mutex);
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return IsFinal(record->Snapshot().state()); });
    lock.unlock();
    return record->Snapshot();
  }

 private:
  AddressPool pool_;
  std::unique_ptr<RunStore> store_;
  std::unique_ptr<Canceller> canceller_;
  Environment environment_;
  std::atomic<int64_t> waited_ = 0;
  std::atomic<int> reports_ = 0;
  std::unique_ptr<Runs> runs_;
};

class RunsTest : public ::testing::Test {
 protected:
  RunsTest()
      : folder_(::testing::TempDir() + "/runs_test_" +
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    EXPECT_THAT(RemoveTree(folder_), testing::IsOk());
    EXPECT_THAT(MakeFolders(folder_), testing::IsOk());
    house_ = std::make_unique<House>(folder_, client_);
  }
  v1::StartRunRequest Request(const std::string& pipeline) const {
    v1::StartRunRequest request;
    request.set_pipeline(absl::StrReplaceAll(pipeline, {{"DIR", folder_}}));
    request.set_pipeline_name("p.yaml");
    return request;
  }
  v1::Run Finish(const v1::StartRunRequest& request) {
    const auto run = house_->runs().Start(request);
    EXPECT_THAT(run, testing::IsOk());
    return run.ok() ? house_->Await(run->name()) : v1::Run();
  }
  v1::Run Finish(const std::string& pipeline) { return Finish(Request(pipeline)); }
  void Restart(const House::Change& change = nullptr) {
    house_.reset();
    house_ = std::make_unique<House>(folder_, client_, change);
    EXPECT_THAT(house_->runs().TakeUp(), testing::IsOk());
  }

  const std::string folder_;
  FakeStageClient client_;
  std::unique_ptr<House> house_;
};

inline std::vector<v1::Run::State> StatesOf(const v1::Run& run) {
  std::vector<v1::Run::State> states;
  for (const v1::Run::Stage& stage : run.stages()) states.push_back(stage.state());
  return states;
}

}  // namespace trainyard::orchestrator
