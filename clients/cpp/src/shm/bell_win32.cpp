#if defined(_WIN32)

#include <algorithm>
#include <utility>

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include "maskbus/detail/clock.hpp"
#include "maskbus/shm/bell.hpp"

namespace maskbus::shm {
namespace {

/// Two events that are reset automatically, made by whoever comes first.
class EventsBell : public ChildBell {
public:
    EventsBell(HANDLE request, HANDLE reply) : request_(request), reply_(reply) {}
    ~EventsBell() override {
        CloseHandle(request_);
        CloseHandle(reply_);
    }

    void ring(std::uint64_t) override {
        SetEvent(request_);
    }

    Heard wait(Process& process, TimePoint until) override {
        while (true) {
            const bool ended = process.has_ended();
            const long left = maskbus::detail::milliseconds_until(until, maskbus::detail::Clock::now());
            const DWORD patience = ended ? 0 : static_cast<DWORD>(std::min<long>(left, 20));
            if (WaitForSingleObject(reply_, patience) == WAIT_OBJECT_0) {
                return {Heard::What::rung, std::nullopt};
            }
            if (ended) {
                return {Heard::What::ended, std::nullopt};
            }
            if (left == 0) {
                return {};
            }
        }
    }

private:
    HANDLE request_;
    HANDLE reply_;
};

HANDLE make_event(const std::string& name) {
    const std::wstring wide(name.begin(), name.end());  // ASCII, as is checked below
    return CreateEventW(nullptr, FALSE, FALSE, wide.c_str());
}

}  // namespace

Result<std::unique_ptr<ChildBell>> detail::open_events_bell(const std::string& name) {
    const bool plain = std::all_of(name.begin(), name.end(), [](char letter) { return letter > ' ' && letter < 127; });
    HANDLE request = plain ? make_event(name + ".request") : nullptr;
    HANDLE reply = plain ? make_event(name + ".reply") : nullptr;
    if (request == nullptr || reply == nullptr) {
        if (request != nullptr) {
            CloseHandle(request);
        }
        return Error{codes::protocol, "The events " + name + " cannot be had: error " + std::to_string(GetLastError()) +
                                          ", or their name is no plain one."};
    }
    return std::unique_ptr<ChildBell>(std::make_unique<EventsBell>(request, reply));
}

}  // namespace maskbus::shm

#endif
