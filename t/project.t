#!/usr/bin/perl

# Access to projects: which one a request is for, who may open it by files that
# operators edit, and that no other spelling of a path is a way round them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $example = $t->read_file($t->top . '/conf-examples/projects/nginx.conf');

$t->countries('203.0.113.0/24' => 'JP');
$t->certificate($_, email => "$_\@example.go.jp") for qw(taro hanako jiro);

for my $project (qw(haneda-runway-d core-network secret)) {
    $t->document("projects/$project/plan", 1000);
}

$t->document('projects/plan', 1000);
$t->document('public', 1000);

# the maps are those of the example

my ($maps) = $example =~ /(    map_hash.*?)    gate_policy/s;
$maps =~ s{/etc/nginx/gate}{$t->{dir}}g;

$t->write_file("$_.map",
               $t->read_file($t->top . "/conf-examples/projects/$_.map"))
    for qw(users projects);

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
$maps
    log_format project escape=none '\$status|\$gate_reason|\$gate_project|\$gate_event|'
                       '\$request_id';

    gate_policy member {
        user     \$gate_cert_email;
        project  \$project;
        require  \$project \$member;
    }
    gate_policy nobodys {
        certificate  off;
        project      "all of \$project";
        require      \$project;
        allow_country  JP;
    }
    gate_policy argument {
        certificate  optional;
        require  \$arg_a \$arg_b;
    }
END
        add_header   Gate-Project $gate_project always;
        add_header   Gate-Event $gate_event always;
        access_log   %%DIR%%/project.log project;

        location / {
            gate  member;
            root  %%DIR%%/docs;
        }
        location /argument {
            gate   argument;
            alias  %%DIR%%/docs/public;
        }
        location /anybody/ {
            gate     nobodys;
            alias    %%DIR%%/docs/;
        }
        location = /sent {
            gate     member;
            rewrite  ^ /projects/core-network/plan;
        }
END2

# who, path, status, reason, project

my $asked = 0;
my $known = '/projects/haneda-runway-d';

for ([ taro => "$known/plan", 200, '', 'haneda-runway-d' ],
     [ taro => '/projects/core-network/plan', 200, '', 'core-network' ],
     [ hanako => '/projects/core-network/plan', 200, '', 'core-network' ],
     [ hanako => "$known/plan", 403, 'require', 'haneda-runway-d' ],
     [ taro => '/projects/secret/plan', 403, 'require', 'secret' ],
     [ jiro => "$known/plan", 403, 'require', 'haneda-runway-d' ],
     [ taro => '/projects/plan', 403, 'require', '' ],
     [ taro => '/public', 403, 'require', '' ],
     [ undef, "$known/plan", 403, 'certificate', 'haneda-runway-d' ],

     # the project is that of the path that is served

     [ hanako => '/projects/core-network/../haneda-runway-d/plan', 403,
       'require', 'haneda-runway-d' ],
     [ hanako => '/projects/core-network/%2e%2e/haneda-runway-d/plan', 403,
       'require', 'haneda-runway-d' ],
     [ hanako => '/projects/core-network%2f..%2fhaneda-runway-d/plan', 403,
       'require', 'haneda-runway-d' ],
     [ hanako => '/projects//haneda-runway-d/plan', 403,
       'require', 'haneda-runway-d' ],
     [ hanako => '/projects/haneda%2drunway-d/plan', 403,
       'require', 'haneda-runway-d' ],
     [ hanako => '/projects/HANEDA-RUNWAY-D/plan', 403, 'require',
       'HANEDA-RUNWAY-D' ],
     [ hanako => "$known:network/plan", 403, 'require',
       'haneda-runway-d:network' ],

     # values

     [ taro => '/argument', 403, 'require', '' ],
     [ taro => '/argument?a=1', 403, 'require', '' ],
     [ taro => '/argument?a=1&b=0', 403, 'require', '' ],
     [ taro => '/argument?a=0&b=1', 403, 'require', '' ],
     [ taro => '/argument?a=1&b=1', 200, '', '' ],
     [ taro => '/argument?a=00&b=no', 200, '', '' ],

     # a rewrite is before the gate

     [ hanako => '/sent', 200, '', 'core-network' ],
     [ jiro => '/sent', 403, 'require', 'core-network' ])
{
    my ($who, $path, $status, $reason, $project) = @$_;
    my $what = ($who // 'nobody') . ": $path";

    my $got = $t->get($path, $who ? (cert => $who) : ());
    my $said = $t->logged(++$asked, 'project.log');

    is($got->{status}, $status, "$what: $status");
    is($got->{headers}{'gate-project'} // '', $project, "$what: \"$project\"");
    like($said, qr/^$status\|$reason\|\Q$project\E\|([0-9a-f]{32})\|\1$/,
         "$what: and the log, with its reference");
    is($got->{headers}{'gate-event'}, (split /\|/, $said)[3],
       "$what: which the answer has, too");
}

# a policy without a user; a project is a text with variables like any other

my $got = $t->get('/anybody/projects/core-network/plan');

is($got->{status}, 403, 'required before the country');
like($t->logged(++$asked, 'project.log'), qr/^403\|require\|all of \|/,
     'and told so');

$t->done;
