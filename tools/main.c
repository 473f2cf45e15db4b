/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

int main(void)
{
    fputs("modelfs " MODELFS_VERSION "\n", stdout);
    return 0;
}
