/* SPDX-License-Identifier: ISC */
/*
 * top.c - one screen of it all: totals, workers, listeners
 */
#include <errno.h>

#include "client/stat/render.h"
#include "client/stat/totals.h"

static int top_print(const struct view *view, const struct readout *readout,
		     struct output *output)
{
	int err;

	err = totals_table_print(view, readout, output);
	(void)fputc('\n', output->file);
	if (!err)
		err = render_table(&view_workers, readout, output);
	(void)fputc('\n', output->file);
	if (!err)
		err = render_table(&view_listeners, readout, output);
	return err;
}

static const struct format formats[] = {
	{ "table", top_print },
};

const struct view view_top = {
	.name = "top",
	.wants = SNAPSHOT_TOTALS,
	.asks = KERNEL_QUEUES | KERNEL_TIME_WAIT,
	.is_screen = true,
	.formats = formats,
	.n_formats = ARRAY_LEN(formats),
};
