/*
 * lotctl suggestion: what all customers are told of on their dashboards.
 */
#include <stdio.h>
#include <string.h>

#include "clients/lotctl/tool.h"
#include "lotcast/v1/announcements.pb-c.h"

static int publish(struct tool *tool, int argc, char **argv, bool json)
{
    Lotcast__V1__PublishAnnouncementRequest request =
        LOTCAST__V1__PUBLISH_ANNOUNCEMENT_REQUEST__INIT;
    const char *message = tool_take_option("--message", &argc, argv);
    const char *link = tool_take_option("--link", &argc, argv);
    if (argc != 0 || message == NULL)
        return TOOL_USAGE;
    request.message = (char *)message;
    if (link != NULL)
        request.link = (char *)link;
    const Lotcast__V1__PublishAnnouncementResponse *response =
        tool_ask(tool, "Announcements/PublishAnnouncement", &request);
    if (response == NULL)
        return TOOL_FAILED;
    if (json)
        return tool_print_json(tool, response);
    (void)printf("%s\n", response->id);
    return 0;
}

static int withdraw(struct tool *tool, int argc, char **argv, bool json)
{
    Lotcast__V1__WithdrawAnnouncementRequest request =
        LOTCAST__V1__WITHDRAW_ANNOUNCEMENT_REQUEST__INIT;
    if (argc != 1)
        return TOOL_USAGE;
    request.id = argv[0];
    const void *response = tool_ask(tool, "Announcements/WithdrawAnnouncement", &request);
    if (response == NULL)
        return TOOL_FAILED;
    return json ? tool_print_json(tool, response) : 0;
}

static int list(struct tool *tool, int argc, char **argv, bool json)
{
    Lotcast__V1__ListAnnouncementsRequest request = LOTCAST__V1__LIST_ANNOUNCEMENTS_REQUEST__INIT;
    (void)argv;
    if (argc != 0)
        return TOOL_USAGE;
    const Lotcast__V1__ListAnnouncementsResponse *response =
        tool_ask(tool, "Announcements/ListAnnouncements", &request);
    if (response == NULL)
        return TOOL_FAILED;
    if (json)
        return tool_print_json(tool, response);
    (void)printf("%-18s %-22s %-10s %-24s %s\n", "ID", "PUBLISHED", "", "LINK", "MESSAGE");
    for (size_t i = 0; i < response->n_announcements; i++) {
        const Lotcast__V1__Announcement *shown = response->announcements[i];
        (void)printf("%-18s %-22s %-10s %-24s %s\n", shown->id, shown->published_at,
                     shown->withdrawn ? "withdrawn" : "", shown->link, shown->message);
    }
    return 0;
}

int tool_run_suggestion(struct tool *tool, int argc, char **argv)
{
    bool json = tool_take_flag("--json", &argc, argv);
    if (argc < 1)
        return TOOL_USAGE;
    if (strcmp(argv[0], "publish") == 0)
        return publish(tool, argc - 1, argv + 1, json);
    if (strcmp(argv[0], "withdraw") == 0)
        return withdraw(tool, argc - 1, argv + 1, json);
    return strcmp(argv[0], "list") == 0 ? list(tool, argc - 1, argv + 1, json) : TOOL_USAGE;
}
